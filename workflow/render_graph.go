package workflow

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"
)

// WriteDOT writes the plan as a directed graph in the DOT language of Graphviz.
// Steps that work on the same node instance stand in one box; an edge for a
// failure is dashed, one for a mere beginning (Step.Begun) dotted. The plan must be valid.
//
// Source: https://graphviz.org/doc/info/lang.html
func (p *Plan) WriteDOT(w io.Writer) error {
	return p.draw(w, notation{
		begin:   "digraph " + dotString(p.Kind) + " {\n  rankdir=LR;\n  node [shape=box, style=rounded];\n",
		box:     "  subgraph cluster_%d {\n    label=%s;\n",
		boxEnd:  "  }\n",
		step:    "s%d [label=%s];\n",
		edge:    "  s%d -> s%d;\n",
		begun:   "  s%d -> s%d [style=dotted, label=\"begun\"];\n",
		failure: "  s%d -> s%d [style=dashed, label=\"failure\"];\n",
		end:     "}\n",
		quote:   dotString,
	})
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
	return p.draw(w, notation{
		begin:   "flowchart LR\n",
		box:     "  subgraph b%d[%s]\n",
		boxEnd:  "  end\n",
		step:    "s%d[%s]\n",
		edge:    "  s%d --> s%d\n",
		begun:   "  s%d -. begun .-> s%d\n",
		failure: "  s%d -. failure .-> s%d\n",
		quote:   mermaidString,
	})
}

// mermaidString writes a quoted label, in which Mermaid reads entities behind a
// number sign.
func mermaidString(s string) string {
	return `"` + strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "\n", "<br/>").Replace(s) + `"`
}

// notation is how a language writes a graph: formats of the number and label of
// a box or step, and of the numbers at both ends of an edge.
type notation struct {
	begin, end  string
	box, boxEnd string
	step        string
	edge        string
	begun       string // of Step.Begun
	failure     string
	quote       func(string) string
}

// draw writes the graph of the plan in a notation.
func (p *Plan) draw(w io.Writer, n notation) error {
	var b bytes.Buffer
	b.WriteString(n.begin)
	for i, box := range p.boxes() {
		indent, boxEnd := "  ", ""
		if box.subject != "" {
			fmt.Fprintf(&b, n.box, i, n.quote(box.subject))
			indent, boxEnd = "    ", n.boxEnd
		}
		for _, j := range box.steps {
			fmt.Fprintf(&b, indent+n.step, j, n.quote(p.Steps[j].label(box.subject)))
		}
		b.WriteString(boxEnd)
	}
	for i, s := range p.Steps {
		for _, j := range s.After {
			edge := n.edge
			if slices.Contains(s.Begun, j) {
				edge = n.begun
			}
			fmt.Fprintf(&b, edge, j, i)
		}
		for _, j := range s.OnFailure {
			fmt.Fprintf(&b, n.failure, j, i)
		}
	}
	b.WriteString(n.end)
	_, err := w.Write(b.Bytes())
	return err
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
