package executor

import (
	"fmt"
	"strconv"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// Where an operation runs.
//
// The keyname operation_host (or the host of a workflow's step) says it: SELF
// and HOST mean the host of the node, SOURCE and TARGET that of an end of the
// relationship, ORCHESTRATOR this machine, and any other word the host of the
// node template of that name in the same service: of its representations the one
// with the index of the node (or source) operated on where there is one, else the
// first. Without it, it is HOST for a node's operation, and
// SOURCE or TARGET for a relationship's, whichever end the step works on.
//
// The implementation of a workflow runs on this machine, or on the host of the
// node template that operation_host names.
//
// The host of a node is the first Compute with an address that is reached from
// it along its HostedOn relationships, itself included, through any number of
// nodes between; this machine where there is no Compute at all. A Compute's own
// operations, which make or find the machine, run where it is hosted: on another
// Compute, such as the cluster that it is a part of, or on this machine. An
// operation_host says otherwise.
//
// Where there are Computes and none has an address, it depends on the node. A
// Compute that is itself operated on, as the node or as an end of the
// relationship, then stands for this machine: it may be no machine that is
// reached, as a part of a simulated or local service. For any other node, and
// for a Compute that operation_host names from elsewhere, it is an error: what
// is meant for a machine that is not known yet must not run on this one.
//
// What is needed to reach a Compute comes from its attributes, which may be
// given in the template or set by an operation, or else its properties:
//
//	public_address, private_address   the first that has a value
//	ssh_port                          the port, if not the driver's default
//	credential                        a tosca.datatypes.Credential: user; token
//	                                  is a password where token_type is
//	                                  "password", else a private key or, in one
//	                                  line, the path of one; keys may hold
//	                                  private_key or key_file, and password
//	username                          the user, if credential has none
//
// What is not given is for the driver's configuration to say. The address
// "localhost" means this machine.

// host finds the host of a step.
func (l *live) host(s *workflow.Step, inst *instance, e env) (Host, error) {
	word := s.Host
	if word == "" {
		if _, _, interfaces, err := l.templateFor(s, inst); err == nil {
			if def := definition(interfaces, s.Interface, s.Operation); def != nil && def.Implementation != nil {
				word = def.Implementation.OperationHost
			}
		}
	}
	node, own, err := l.hostNode(word, s, inst)
	if err != nil || node == nil {
		return Host{}, err
	}
	own = own && isCompute(node.Type)
	if own {
		node = hostedOn(node)
	}
	computes := computesOf(node)
	for _, compute := range computes {
		h, err := l.hostOf(compute, e)
		if err != nil || h.Address != "" {
			return h, err
		}
	}
	if len(computes) == 0 || own || computes[0] == node && inst.isOf(node) {
		return Host{}, nil
	}
	return Host{}, &errs.Error{Code: errs.FailedPrecondition, Op: "reach", Subject: workflow.NodeID(computes[0].Name, computes[0].Index),
		Err:  fmt.Errorf("the attributes public_address and private_address of %s have no value", computes[0].Name),
		Hint: "give one in the template, or let an operation of the node set it"}
}

// isOf tells that the instance is the node, or a relationship
// of which an end is.
func (i *instance) isOf(n *tosca.NodeTemplate) bool {
	id := workflow.NodeID(n.Name, n.Index)
	return id == i.ID || id == i.Source || id == i.Target
}

// hostNode finds the node whose host is meant: nil for this machine. own tells
// that nothing was said and the node is the one operated on.
func (l *live) hostNode(word string, s *workflow.Step, inst *instance) (node *tosca.NodeTemplate, own bool, err error) {
	t := l.serviceOf(s).template
	if s.Workflow != "" {
		t = workflow.ServiceAt(t, s.Workflow)
		if word == "" || word == "SELF" || word == "HOST" {
			return nil, false, nil // of the service: this machine
		}
	}
	isNode := inst.Source == "" && s.Workflow == ""
	end := func(id string) *tosca.NodeTemplate { return nodeOf(t, id) }
	switch {
	case word == "ORCHESTRATOR":
		return nil, false, nil
	case word == "" && isNode:
		return t.Representation(inst.Template, inst.Index), true, nil
	case word == "":
		if s.Subject == inst.Target && inst.Source != inst.Target {
			return end(inst.Target), false, nil
		}
		return end(inst.Source), false, nil
	case (word == "SELF" || word == "HOST") && isNode:
		return t.Representation(inst.Template, inst.Index), false, nil
	case (word == "SELF" || word == "HOST" || word == "SOURCE") && !isNode:
		return end(inst.Source), false, nil
	case word == "TARGET" && !isNode:
		return end(inst.Target), false, nil
	}
	if n := sibling(t, inst, word); n != nil {
		return n, false, nil
	}
	return nil, false, &errs.Error{Code: errs.InvalidArgument, Op: "find host of", Subject: s.ID,
		Err:  fmt.Errorf("operation_host %q means nothing here", word),
		Hint: "use SELF, HOST or ORCHESTRATOR for a node, SOURCE or TARGET for a relationship, or the name of a node template"}
}

// sibling finds the node that a name means in the service of what is operated
// on: of several representations the one with the same index, else the first.
func sibling(t *tosca.ServiceTemplate, inst *instance, name string) *tosca.NodeTemplate {
	index := inst.Index
	if inst.node != nil {
		index = inst.node.Index
		if own := inst.node.Service(); own != nil && own.Substitutes() != nil {
			t = own
		}
	}
	if n := t.Representation(name, index); n != nil {
		return n
	}
	return t.Node(name)
}

// computesOf finds the Computes along HostedOn, nearest first, the node itself included.
func computesOf(n *tosca.NodeTemplate) []*tosca.NodeTemplate {
	var computes []*tosca.NodeTemplate
	for seen := map[*tosca.NodeTemplate]bool{}; n != nil && !seen[n]; n = hostedOn(n) {
		if isCompute(n.Type) {
			computes = append(computes, n)
		}
		seen[n] = true
	}
	return computes
}

// hostedOn is the node that n is hosted on; nil if it is on none.
func hostedOn(n *tosca.NodeTemplate) *tosca.NodeTemplate {
	for _, r := range n.Requirements {
		if r.Relationship != nil && isHostedOn(r.Relationship.Type) {
			return r.Provider()
		}
	}
	return nil
}

func isHostedOn(t *tosca.RelationshipType) bool {
	for ; t != nil; t = t.Parent {
		if t.Name == "tosca.relationships.HostedOn" || t.Name == "HostedOn" {
			return true
		}
	}
	return false
}

func isCompute(t *tosca.NodeType) bool {
	for ; t != nil; t = t.Parent {
		if t.Name == "tosca.nodes.Compute" || t.Name == "Compute" {
			return true
		}
	}
	return false
}

// hostOf is how a Compute is reached; a Host without an address if it has none.
func (l *live) hostOf(compute *tosca.NodeTemplate, e env) (Host, error) {
	h := Host{Name: workflow.NodeID(compute.Name, compute.Index), Node: compute}
	look := hostLookup{inst: l.instances[h.Name], env: e}
	if look.inst == nil {
		return Host{}, noInstance(h.Name)
	}
	for _, name := range []string{"public_address", "private_address"} {
		if h.Address = look.text(name); h.Address != "" {
			break
		}
	}
	if look.err != nil || h.Address == "" {
		return Host{}, look.err
	}
	if port := look.text("ssh_port"); port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			look.fail("ssh_port", fmt.Errorf("%q is not a port", port))
		}
		h.Port = int(n)
	}
	look.credential(&h)
	if look.err != nil {
		return Host{}, look.err
	}
	if h.Local() {
		return Host{Name: "", Address: h.Address, Node: compute, User: h.User}, nil
	}
	return h, nil
}

// hostLookup reads attributes of a Compute, and keeps the first error.
type hostLookup struct {
	inst *instance
	env  env
	err  error
}

func (h *hostLookup) fail(name string, err error) {
	if h.err == nil {
		h.err = errs.Wrap(err, "read "+name+" of", h.inst.ID)
	}
}

func (h *hostLookup) value(name string) any {
	value, err := h.env.live.attributeValue(h.inst, name, h.env)
	if err != nil {
		h.fail(name, err)
	}
	return value
}

func (h *hostLookup) text(name string) string {
	return text(h.value(name))
}

func text(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	return fmt.Sprint(value)
}

// credential reads user and identity.
func (h *hostLookup) credential(host *Host) {
	c, _ := h.value("credential").(map[string]any)
	keys, _ := c["keys"].(map[string]any)
	host.User = text(c["user"])
	if host.User == "" {
		host.User = h.text("username")
	}
	host.Password = text(keys["password"])
	host.KeyFile = text(keys["key_file"])
	host.Identity = text(keys["private_key"])
	token := text(c["token"])
	switch {
	case token == "":
	case text(c["token_type"]) == "password":
		host.Password = token
	case isKey(token):
		host.Identity = token
	default:
		host.KeyFile = token
	}
	for _, secret := range []string{host.Password, host.Identity} {
		h.env.live.secrets.Add(secret)
	}
}

// isKey tells a private key from the path of one.
func isKey(s string) bool {
	for _, c := range s {
		if c == '\n' {
			return true
		}
	}
	return false
}
