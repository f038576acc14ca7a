package tosca

import "slices"

// mappedInput is an attribute that takes the value of an input.
type mappedInput struct {
	*Assignment
	input *Parameter
	used  bool
}

// readMappedInputs finds the attributes that take inputs of the service: the
// mapping of an input leads to a node template, a capability of it (optional,
// behind CAPABILITY or not) and the attribute, which then has the value of the
// input until an operation sets it.
//
// Source: TOSCA 2.0 sections 9.9 and 9.10.
func (b *builder) readMappedInputs() {
	for _, p := range b.t.Inputs {
		if p.Mapping == nil {
			continue
		}
		path, ok := mappingPath(p.Mapping)
		if !ok {
			b.s.warnf(codeUnsupported, p.Mapping.Range(), "the value of the input %q is stored only into an attribute of a node or of its capability", p.Name).Detail =
				"Map it to [ node, attribute ] or [ node, CAPABILITY, capability, attribute ]."
			continue
		}
		if b.drafts[path[0]] == nil {
			dia := b.s.errorf(codeUnknownNode, p.Mapping.Range(), "the input %q is mapped to %q, which is no node template", p.Name, path[0])
			dia.Suggestion, dia.Section = nearest(path[0], b.nodeNames()), "TOSCA 2.0 section 9.10"
			continue
		}
		key := [2]string{path[0]}
		if len(path) == 3 {
			key[1] = path[1]
		}
		call := &Call{Function: "get_input", Args: []*Value{Constant(p.Name)}, Range: p.Mapping.Range(), function: functionNamed("get_input", versionNamed(b.t.Version))}
		if b.mappedInputs == nil {
			b.mappedInputs = map[[2]string][]*mappedInput{}
		}
		b.mappedInputs[key] = append(b.mappedInputs[key], &mappedInput{input: p, Assignment: &Assignment{
			Name: path[len(path)-1], Value: &Value{content: call, extent: p.Mapping.extent}, Sensitive: p.Sensitive, Range: p.Mapping.Range()}})
	}
}

// mappingPath is a mapping as a node, a capability (optional) and an attribute.
func mappingPath(v *Value) ([]string, bool) {
	data, _ := v.Static()
	list, _ := data.([]any)
	path := make([]string, 0, len(list))
	for _, item := range list {
		name, ok := item.(string)
		if !ok {
			return nil, false
		}
		path = append(path, name)
	}
	if len(path) == 4 && path[1] == "CAPABILITY" {
		path = slices.Delete(path, 1, 2)
	}
	return path, len(path) == 2 || len(path) == 3
}

// withMappedInputs adds the inputs that are mapped to attributes of a node or
// capability to those that are assigned.
func (b *builder) withMappedInputs(list []*Assignment, defs []*AttributeDefinition, sub subject) []*Assignment {
	mapped := b.mappedInputs[[2]string{sub.node, sub.capability}]
	if len(mapped) == 0 {
		return list
	}
	list = slices.Clone(list)
	for _, m := range mapped {
		m.used = true
		def := attributeNamed(defs, m.Name)
		if def == nil {
			if !sub.quiet {
				dia := b.s.errorf(codeUnknownAttribute, m.Range, "the input %q is mapped to the attribute %q, which %s does not have", m.input.Name, m.Name, sub.what)
				dia.Suggestion, dia.Section = nearest(m.Name, attributeNames(defs)), "TOSCA 2.0 section 9.10"
			}
			continue
		}
		m.Schema, m.Sensitive = def.Schema, m.Sensitive || sensitive(def.Metadata, def.Schema)
		if i := slices.IndexFunc(list, func(a *Assignment) bool { return a.Name == m.Name }); i >= 0 {
			list[i] = m.Assignment
		} else {
			list = append(list, m.Assignment)
		}
	}
	return list
}

// unusedMappedInputs reports mappings to capabilities that nodes do not have.
func (b *builder) unusedMappedInputs() {
	for _, p := range b.t.Inputs {
		for key, list := range b.mappedInputs {
			for _, m := range list {
				if m.input != p || m.used || b.drafts[key[0]].broken {
					continue
				}
				dia := b.s.errorf(codeUnknownCapability, m.Range, "the input %q is mapped to a capability %q, which the node %q does not have", p.Name, key[1], key[0])
				dia.Section = "TOSCA 2.0 section 9.10"
			}
		}
	}
}
