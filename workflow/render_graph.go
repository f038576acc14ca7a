package workflow

import (
	"bytes"
	"fmt"
	"io"
	"strings"
)

// WriteDOT writes the plan as a directed graph in the DOT language of Graphviz.
// Steps that work on the same node instance stand in one box; an edge for a
// failure is dashed. The plan must be valid.
//
// Source: https://graphviz.org/doc/info/lang.html
func (p *Plan) WriteDOT(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "digraph %s {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n", dotString(p.Kind))
	for i, box := range p.boxes() {
		indent := "  "
		if box.subject != "" {
			fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%s;\n", i, dotString(box.subject))
			indent = "    "
		}
		for _, j := range box.steps {
			fmt.Fprintf(&b, "%ss%d [label=%s];\n", indent, j, dotString(p.Steps[j].label(box.subject)))
		}
		if box.subject != "" {
			b.WriteString("  }\n")
		}
	}
	for i, s := range p.Steps {
		for _, j := range s.After {
			fmt.Fprintf(&b, "  s%d -> s%d;\n", j, i)
		}
		for _, j := range s.OnFailure {
			fmt.Fprintf(&b, "  s%d -> s%d [style=dashed, label=\"failure\"];\n", j, i)
		}
	}
	b.WriteString("}\n")
	_, err := w.Write(b.Bytes())
	return err
}

// dotString writes a quoted string of the DOT language; a line break becomes a
// centred new line.
func dotString(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

// WriteMermaid writes the plan as a flowchart for Mermaid. It looks as that of
// WriteDOT. The plan must be valid.
//
// Source: https://mermaid.js.org/syntax/flowchart.html
func (p *Plan) WriteMermaid(w io.Writer) error {
	var b bytes.Buffer
	b.WriteString("flowchart LR\n")
	for i, box := range p.boxes() {
		indent := "  "
		if box.subject != "" {
			fmt.Fprintf(&b, "  subgraph b%d[%s]\n", i, mermaidString(box.subject))
			indent = "    "
		}
		for _, j := range box.steps {
			fmt.Fprintf(&b, "%ss%d[%s]\n", indent, j, mermaidString(p.Steps[j].label(box.subject)))
		}
		if box.subject != "" {
			b.WriteString("  end\n")
		}
	}
	for i, s := range p.Steps {
		for _, j := range s.After {
			fmt.Fprintf(&b, "  s%d --> s%d\n", j, i)
		}
		for _, j := range s.OnFailure {
			fmt.Fprintf(&b, "  s%d -. failure .-> s%d\n", j, i)
		}
	}
	_, err := w.Write(b.Bytes())
	return err
}

// mermaidString writes a quoted label, in which Mermaid reads entities behind a
// number sign.
func mermaidString(s string) string {
	return `"` + strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "\n", "<br/>").Replace(s) + `"`
}

// box is the steps that work on one node instance, or on none.
type box struct {
	subject string
	steps   []int
}

// boxes groups the steps by subject, in order of first appearance.
func (p *Plan) boxes() []box {
	var boxes []box
	at := map[string]int{}
	for i, s := range p.Steps {
		j, ok := at[s.Subject]
		if !ok {
			j = len(boxes)
			at[s.Subject] = j
			boxes = append(boxes, box{subject: s.Subject})
		}
		boxes[j].steps = append(boxes[j].steps, i)
	}
	return boxes
}

// label is what the step is called in a drawing, inside the box of subject.
func (s *Step) label(subject string) string {
	what := s.action()
	if s.Kind == Set {
		what = s.Exit
	}
	if s.Instance == "" || s.Instance == subject {
		return what
	}
	return s.Instance + "\n" + what
}
