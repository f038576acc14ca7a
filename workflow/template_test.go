package workflow_test

import (
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
)

// node makes a node template whose Standard interface implements the operations.
func node(name string, operations ...string) *tosca.NodeTemplate {
	return &tosca.NodeTemplate{
		Name:       name,
		Type:       &tosca.NodeType{TypeHeader: tosca.TypeHeader{Name: "tosca.nodes.Root"}},
		Interfaces: []*tosca.Interface{implementing("Standard", operations...)},
	}
}

// implementing makes an interface of that name with implemented operations.
func implementing(name string, operations ...string) *tosca.Interface {
	i := &tosca.Interface{Name: name}
	if name == "Standard" {
		i.Type = &tosca.InterfaceType{TypeHeader: tosca.TypeHeader{Name: "my.Standard"}, Parent: &tosca.InterfaceType{
			TypeHeader: tosca.TypeHeader{Name: "tosca.interfaces.node.lifecycle.Standard"},
		}}
	}
	for _, op := range operations {
		i.Operations = append(i.Operations, &tosca.Operation{
			Name: op, Interface: name,
			Implementation: &tosca.Implementation{Primary: &tosca.Artifact{File: op + ".sh", Path: op + ".sh"}},
		})
	}
	return i
}

// requires makes a requirement of source for target whose relationship
// implements operations of Configure.
func requires(source *tosca.NodeTemplate, name string, target *tosca.NodeTemplate, operations ...string) *tosca.Requirement {
	r := &tosca.Requirement{Name: name, Source: source, Target: target}
	for _, other := range source.Requirements {
		if other.Name == name {
			r.Index++
		}
	}
	r.Relationship = &tosca.RelationshipTemplate{
		Type:        &tosca.RelationshipType{TypeHeader: tosca.TypeHeader{Name: "tosca.relationships.DependsOn"}},
		Interfaces:  []*tosca.Interface{implementing("Configure", operations...)},
		Requirement: r,
	}
	source.Requirements = append(source.Requirements, r)
	target.Incoming = append(target.Incoming, r)
	return r
}

// service makes a service template of the nodes.
func service(nodes ...*tosca.NodeTemplate) *tosca.ServiceTemplate {
	return &tosca.ServiceTemplate{Version: "tosca_simple_yaml_1_3", File: "service.yaml", Nodes: nodes}
}

// lines prints a plan, one step a line: "ID enter>exit @subject < IDs waited for".
func lines(p *workflow.Plan) []string {
	var out []string
	for _, s := range p.Steps {
		line := s.ID
		if s.Enter != "" || s.Exit != "" {
			line += " " + s.Enter + ">" + s.Exit
		}
		if s.Subject != "" && s.Subject != s.Instance {
			line += " @" + s.Subject
		}
		if s.Guard != "" {
			line += " if " + s.Guard
		}
		if s.Optional {
			line += " optional"
		}
		if s.Old {
			line += " old"
		}
		for _, list := range []struct {
			sign  string
			steps []int
		}{{" < ", s.After}, {" ! ", s.OnFailure}} {
			var ids []string
			for _, i := range list.steps {
				ids = append(ids, p.Steps[i].ID)
			}
			if ids != nil {
				line += list.sign + strings.Join(ids, ", ")
			}
		}
		out = append(out, line)
	}
	return out
}
