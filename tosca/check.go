package tosca

import (
	"fmt"
	"io/fs"
	"strings"
)

// checker checks what can be checked only when everything is linked.
type checker struct {
	*builder
	fsys fs.FS
	// exists remembers which files exist.
	exists map[string]bool
	told   map[*Artifact]bool
}

func (c *checker) check() {
	c.exists, c.told = map[string]bool{}, map[*Artifact]bool{}
	c.definitions()
	if c.outer == nil {
		c.cycles()
	}
	for _, n := range c.t.Nodes {
		if n.of(c.t) {
			c.node(n)
		}
	}
	c.selections()
	for _, r := range c.t.Relationships {
		c.interfaces(r.Interfaces)
	}
	for _, g := range c.t.Groups {
		c.calls(Entity{Service: c.t}, g.Properties)
		c.calls(Entity{Service: c.t}, g.Attributes)
		c.interfaces(g.Interfaces)
	}
	for _, p := range c.t.Policies {
		if p.service != c.t {
			continue // one of a service that substitutes a node, and checked with that
		}
		c.policy(p)
	}
	for _, list := range [][]*Parameter{c.t.Inputs, c.t.Outputs} {
		for _, p := range list {
			for _, v := range []*Value{p.Default, p.Value} {
				c.value(callChecker{sink: c.s}, v, p.Schema)
			}
		}
	}
	c.workflows()
	c.typeFiles()
}

// definitions checks the defaults and fixed values in the definitions of types.
func (c *checker) definitions() {
	for _, l := range c.types.definitions {
		p, s := l.item, l.doc.s
		switch {
		case p.Fixed != nil:
			p.Schema.check(p.Fixed, s, "the value of "+p.Name)
		case p.Default != nil && p.Default == p.inherited:
			// The parent's default is no fault of this type; it is one of a template
			// that takes it.
			faults := sink{}
			p.Schema.checkDefault(p.Default, &faults, p.Name)
			for _, f := range faults.list {
				f.Severity, f.Range = Warning, p.Range
				s.list = append(s.list, f)
			}
		default:
			p.Schema.checkDefault(p.Default, s, p.Name)
		}
	}
	for _, l := range c.types.attributeDefinitions {
		l.item.Schema.checkDefault(l.item.Default, l.doc.s, l.item.Name)
	}
}

func (c *checker) node(n *NodeTemplate) {
	self := Entity{Service: c.t, Node: n}
	c.calls(self, n.Properties)
	c.calls(self, n.Attributes)
	for _, k := range n.Capabilities {
		c.calls(self, k.Properties)
		c.calls(self, k.Attributes)
	}
	for _, a := range n.Artifacts {
		c.artifact(a, Error)
		c.calls(self, a.Properties)
	}
	c.operations(self, n.Interfaces)
	c.interfaces(n.Interfaces)
	c.occupied(n)
	for _, r := range n.Requirements {
		rel := Entity{Service: c.t, Relationship: r.Relationship}
		c.calls(rel, r.Relationship.Properties)
		c.calls(rel, r.Relationship.Attributes)
		c.operations(rel, r.Relationship.Interfaces)
		c.leftOut(rel)
		c.interfaces(r.Relationship.Interfaces)
	}
}

// occupied warns of capabilities that fulfil more requirements than they may.
//
// Source: TOSCA 1.3 sections 3.7.2 and 3.8.1, keyname occurrences.
func (c *checker) occupied(n *NodeTemplate) {
	for _, k := range n.Capabilities {
		if k.Occurrences.Max == Unbounded {
			continue
		}
		count := 0
		for _, r := range n.Incoming {
			if r.Capability == k {
				count++
			}
		}
		if count > k.Occurrences.Max {
			dia := c.s.warnf(codeTooManyRequirements, k.Range, "the capability %q of %q may fulfil %d requirements at most, and fulfils %d", k.Name, n.Name, k.Occurrences.Max, count)
			dia.Section = "TOSCA 1.3 section 3.8.1"
		}
	}
}

// calls checks the names in calls. A default that holds a call is checked for
// each node that takes it, since SELF differs.
func (c *checker) calls(self Entity, list []*Assignment) {
	for _, a := range list {
		c.value(callChecker{self: self, sink: c.s}, a.Value, a.Schema)
	}
}

// value checks the calls of a value, and what they result in.
func (c *checker) value(k callChecker, v *Value, want *Schema) {
	if v == nil {
		return
	}
	if _, static := v.Static(); !static {
		k.in(c.t).check(v, want)
	}
	k.in(c.t).validate(v, want)
}

// operations checks the calls in inputs. Operations without an implementation
// never evaluate theirs.
func (c *checker) operations(self Entity, list []*Interface) {
	for _, i := range list {
		for _, op := range i.Operations {
			if op.Implementation == nil {
				continue
			}
			c.artifactCalls(self, op.Implementation)
			c.outputMappings(self, op)
			if self.Relationship != nil {
				c.relationshipInputs(self, op)
				continue
			}
			c.calls(self, op.Inputs)
			c.missingInputs(self.Node, op)
		}
	}
}

// artifactCalls checks the properties of the artifacts that implement an operation.
func (c *checker) artifactCalls(self Entity, impl *Implementation) {
	if impl.Primary != nil {
		c.calls(self, impl.Primary.Properties)
	}
	for _, a := range impl.Dependencies {
		c.calls(self, a.Properties)
	}
}

// missingInputs warns of required inputs without a value: the operation runs
// without them.
func (c *checker) missingInputs(n *NodeTemplate, op *Operation) {
	for _, def := range op.required {
		if op.Input(def.Name) == nil {
			c.s.warnf(codeMissingInput, n.Range, "the operation %q of %q gets no value for its required input %q", op.Name, n.Name, def.Name).Related =
				[]RelatedRange{{def.Range, "the input is defined here"}}
		}
	}
}

func (c *checker) interfaces(list []*Interface) {
	for _, i := range list {
		for _, op := range i.Operations {
			c.implementation(op.Implementation, Error)
		}
		for _, op := range i.Notifications {
			c.implementation(op.Implementation, Error)
		}
	}
}

func (c *checker) implementation(impl *Implementation, sev Severity) {
	if impl == nil {
		return
	}
	if a := impl.Primary; a != nil {
		if a.Type == nil && !c.told[a] {
			c.s.warnf(codeUnknownArtifactType, a.Range, "the file %q has an extension of no artifact type", a.File).Detail =
				"Give the implementation as a map with file and type, so that it is known what runs it."
		}
		c.artifact(a, sev)
		c.told[a] = true
	}
	for _, a := range impl.Dependencies {
		c.artifact(a, sev)
	}
}

// artifact checks that the file or folder of an artifact exists.
func (c *checker) artifact(a *Artifact, sev Severity) {
	if c.told[a] || a.Path == "" || c.opts.SkipArtifactFiles {
		return
	}
	c.told[a] = true
	ok, known := c.exists[a.Path]
	if !known {
		_, err := fs.Stat(c.fsys, a.Path)
		ok = err == nil
		c.exists[a.Path] = ok
	}
	if ok {
		return
	}
	dia := c.s.errorf(codeMissingArtifact, a.Range, "the file %q does not exist", a.Path)
	dia.Severity = sev
	dia.Suggestion = neighbour(c.fsys, a.Path)
	dia.Detail = "Paths are relative to the file that declares them; a leading / means the root of the archive."
	if sev == Warning {
		dia.Detail += " Nothing that is deployed uses it."
	}
}

// typeFiles checks the files of types that no template uses.
func (c *checker) typeFiles() {
	for _, l := range c.types.artifacts {
		c.artifact(l.item, Warning)
	}
	for _, l := range c.types.implementations {
		if a := l.item.Primary; a != nil && a.Name == "" && !strings.ContainsAny(a.File, "./") {
			continue // the name of an artifact that the templates bring
		}
		c.implementation(l.item, Warning)
	}
}

func (c *checker) policy(p *Policy) {
	self := Entity{Service: c.t, Policy: p}
	c.calls(self, p.Properties)
	for _, t := range p.Triggers {
		c.triggerCalls(p, t)
		for _, a := range t.Action {
			if a.Kind == CallOperation && a.Operation == nil {
				c.calledOperation(p.Targets, a)
			}
			c.calledWorkflow(a)
		}
		at := self
		if len(p.Targets) > 0 {
			at.Node = p.Targets[0]
		}
		for _, op := range t.Operations {
			c.calls(at, op.Inputs)
			c.implementation(op.Implementation, Error)
		}
	}
}

// calledOperation checks that an operation "interface.operation" exists in one
// of the nodes, or in an interface type, and the inputs that it is given.
func (c *checker) calledOperation(nodes []*NodeTemplate, a *Activity) {
	c.called(a, func(iface, op string) *Operation {
		for _, n := range nodes {
			if found := n.Operation(iface, op); found != nil {
				return found
			}
		}
		return nil
	})
}

// called checks a call_operation; find looks the operation up in the targets.
func (c *checker) called(a *Activity, find func(iface, op string) *Operation) {
	i := strings.LastIndex(a.Name, ".")
	if i < 0 {
		c.s.errorf(codeUnknownOperation, a.Range, "%q does not name an interface and its operation, such as Standard.start", a.Name)
		return
	}
	iface, op := a.Name[:i], a.Name[i+1:]
	if found := find(iface, op); found != nil {
		c.givenInputs(found, a)
		return
	}
	if t := c.t.Types.Interface[iface]; t != nil && t.Operation(op) != nil {
		return
	}
	c.s.warnf(codeUnknownOperation, a.Range, "no target has the operation %q of an interface %q", op, iface)
}

// strictf reports an Error in TOSCA 2.0, and a Warning in 1.x.
func (c *checker) strictf(code string, rng Range, format string, args ...any) *Diagnostic {
	if c.v2() {
		return c.s.errorf(code, rng, format, args...)
	}
	return c.s.warnf(code, rng, format, args...)
}

func (c *checker) v2() bool {
	v := versionNamed(c.t.Version)
	return v != nil && v.v2()
}

// givenInputs checks the inputs that an activity gives to an operation.
//
// Source: TOSCA 1.3 section 3.6.23.3, TOSCA 2.0 section 13.2.3.3.
func (c *checker) givenInputs(op *Operation, a *Activity) {
	if !op.known {
		return
	}
	names := propertyNames(op.declared)
	for _, in := range a.Inputs {
		def := lastNamed(op.declared, in.Name)
		switch {
		case def != nil:
			if def.Fixed != nil {
				c.s.fixedInput(in, def)
			}
			c.givenInput(def.Schema, in)
		case op.Input(in.Name) == nil:
			c.strictf(codeUnknownInput, in.Range, "the operation %q declares no input %q", op.Name, in.Name).Suggestion = nearest(in.Name, names)
		}
	}
	for _, def := range op.required {
		if op.Input(def.Name) == nil && assignment(a.Inputs, def.Name) == nil {
			c.s.warnf(codeMissingInput, a.Range, "the operation %q gets no value for its required input %q", op.Name, def.Name).Related =
				[]RelatedRange{{def.Range, "the input is defined here"}}
		}
	}
}

func lastNamed(list []*PropertyDefinition, name string) *PropertyDefinition {
	var found *PropertyDefinition
	for _, def := range list {
		if def.Name == name {
			found = def
		}
	}
	return found
}

// givenInput checks a value against the schema of the input that takes it.
func (c *checker) givenInput(sc *Schema, in *Assignment) {
	in.Schema = sc
	if data, static := in.Value.Static(); sc != nil && (!static || data != nil) {
		sc.check(in.Value, c.s, "the input \""+in.Name+"\"")
	}
}

func (c *checker) calledWorkflow(a *Activity) {
	if a.Kind != Inline && a.Kind != Delegate {
		return
	}
	if w := c.flows[a.Name]; w != nil {
		c.workflowInputs(w, a)
		return
	}
	if a.Kind == Delegate && !strings.ContainsAny(a.Name, " \t") {
		return // delegates name workflows of the orchestrator too, such as "deploy"
	}
	var names []string
	for _, w := range c.t.Workflows {
		names = append(names, w.Name)
	}
	c.s.errorf(codeUnknownWorkflow, a.Range, "there is no workflow %q", a.Name).Suggestion = nearest(a.Name, names)
}

// workflowInputs checks the inputs that an activity gives to a workflow.
//
// Source: TOSCA 1.3 sections 3.6.23.1 and 3.6.23.4, TOSCA 2.0 section 13.2.3.
func (c *checker) workflowInputs(w *Workflow, a *Activity) {
	names := make([]string, len(w.Inputs))
	for i, p := range w.Inputs {
		names[i] = p.Name
		if p.Required && p.Default == nil && p.Value == nil && assignment(a.Inputs, p.Name) == nil {
			c.strictf(codeMissingInput, a.Range, "the workflow %q gets no value for its required input %q", w.Name, p.Name).Related =
				[]RelatedRange{{p.Range, "the input is defined here"}}
		}
	}
	for _, in := range a.Inputs {
		p := first(w.Inputs, func(p *Parameter) bool { return p.Name == in.Name })
		if p == nil {
			c.strictf(codeUnknownInput, in.Range, "the workflow %q declares no input %q", w.Name, in.Name).Suggestion = nearest(in.Name, names)
			continue
		}
		c.givenInput(p.Schema, in)
	}
}

func (c *checker) workflows() {
	c.workflowCircles()
	groups := map[string][]*NodeTemplate{}
	for _, g := range c.t.Groups {
		groups[g.Name] = g.Members
	}
	for _, w := range c.t.Workflows {
		c.implementation(w.Implementation, Error)
		c.workflowMappings(w)
		c.workflowCalls(w)
		for _, s := range w.Steps {
			targets := groups[s.Target]
			if nodes, ok := c.named(s.Target); ok {
				targets = nodes
			}
			if absent := c.t.absent[s.Target]; absent != nil {
				targets = []*NodeTemplate{absent}
			}
			c.stepCalls(w, s)
			for _, a := range s.Activities {
				switch {
				case a.Kind == CallOperation && s.TargetRelationship == "":
					c.calledOperation(targets, a)
				case a.Kind == CallOperation:
					c.calledOnRelationship(targets, s.TargetRelationship, a)
				}
				c.calledWorkflow(a)
			}
		}
	}
}

// calledOnRelationship checks a call on the relationships of a requirement.
func (c *checker) calledOnRelationship(nodes []*NodeTemplate, requirement string, a *Activity) {
	c.called(a, func(iface, op string) *Operation {
		for _, n := range nodes {
			for _, r := range n.Requirements {
				if r.Name != requirement {
					continue
				}
				if found := r.Relationship.Operation(iface, op); found != nil {
					return found
				}
			}
		}
		return nil
	})
}

// cycles reports cycles of requirements, by walking depth first without
// recursion: one for each requirement that closes a cycle, a hundred at most.
func (c *checker) cycles() {
	const (
		unseen = iota
		open
		done
	)
	found := 0
	state := make(map[*NodeTemplate]int, len(c.t.Nodes))
	type frame struct {
		n    *NodeTemplate
		next int
	}
	for _, root := range c.t.Nodes {
		if state[root] != unseen {
			continue
		}
		stack := []frame{{n: root}}
		state[root] = open
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if top.next == len(top.n.Requirements)+len(top.n.substituting()) {
				state[top.n] = done
				stack = stack[:len(stack)-1]
				continue
			}
			var req *Requirement
			var target *NodeTemplate
			if i := top.next - len(top.n.Requirements); i >= 0 {
				target = top.n.substituting()[i]
			} else {
				req = top.n.Requirements[top.next]
				target = req.Target
			}
			top.next++
			switch state[target] {
			case unseen:
				state[target] = open
				stack = append(stack, frame{n: target})
			case open:
				if found++; found > 100 {
					return
				}
				var path []*NodeTemplate
				for i := len(stack) - 1; i >= 0; i-- {
					path = append(path, stack[i].n)
					if stack[i].n == target {
						break
					}
				}
				c.cycle(req, target, path)
			}
		}
	}
}

// substituting are the nodes of the service that stands for the node.
func (n *NodeTemplate) substituting() []*NodeTemplate {
	if n.Substitution == nil {
		return nil
	}
	return n.Substitution.Nodes
}

// cycle reports a cycle; path leads from its last node back to the target. req
// is nil where that is a node of the service that substitutes the last.
func (c *checker) cycle(req *Requirement, target *NodeTemplate, path []*NodeTemplate) {
	names := []string{}
	for i := len(path) - 1; i >= 0 && len(names) < 10; i-- {
		names = append(names, path[i].Name)
	}
	if len(path) > 10 {
		names = append(names, "…")
	}
	names = append(names, target.Name)
	at := target.Range
	if req != nil {
		at = req.Range
	}
	dia := c.s.errorf(codeRequirementCycle, at, "nodes require each other in a cycle: %s", strings.Join(names, " → "))
	dia.Detail = "None of them could be created first. Remove one of the requirements."
	for i := len(path) - 1; i > 0 && len(dia.Related) < 10; i-- {
		for _, r := range path[i].Requirements {
			if r.Target == path[i-1] {
				dia.Related = append(dia.Related, RelatedRange{r.Range, fmt.Sprintf("%q requires %q", path[i].Name, path[i-1].Name)})
				break
			}
		}
	}
}
