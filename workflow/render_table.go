package workflow

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// WriteTable writes the plan for people: a line for each step with its number,
// the instance, what is done, the states set, and the numbers of the steps that
// it waits for. A line below sums up. The plan must be valid.
func (p *Plan) WriteTable(w io.Writer) error {
	var b bytes.Buffer
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "#\tINSTANCE\tACTION\tSTATE\tAFTER")
	for i, s := range p.Steps {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%s\n", i, dash(s.Instance), s.action()+s.notes(), dash(s.states()), dash(s.waits()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	stats := p.Stats()
	fmt.Fprintf(&b, "%s: %s, %s, at least %d one after the other", p.Kind, count(stats.Steps, "step"), count(stats.Calls, "call"), stats.Critical)
	if n := len(p.Create); n > 0 {
		fmt.Fprintf(&b, "; makes %s", count(n, "instance"))
	}
	if n := len(p.Remove); n > 0 {
		fmt.Fprintf(&b, "; removes %s", count(n, "instance"))
	}
	b.WriteByte('\n')
	_, err := w.Write(b.Bytes())
	return err
}

// count writes a number of things.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// action says what the step does in a few words.
func (s *Step) action() string {
	switch s.Kind {
	case Call:
		return s.Interface + "." + s.Operation
	case Set:
		return "set state"
	case Join:
		return "wait " + s.ID
	case Store:
		return "store inputs"
	}
	return string(s.Kind) + " " + s.When
}

// notes says what is special about the step.
func (s *Step) notes() string {
	var notes []string
	if s.Kind == Call && s.Subject != s.Instance {
		notes = append(notes, "on "+s.Subject)
	}
	if s.Old {
		notes = append(notes, "old")
	}
	if s.Optional {
		notes = append(notes, "optional")
	}
	if s.Guard != "" {
		notes = append(notes, "if "+s.Guard)
	}
	if notes == nil {
		return ""
	}
	return " (" + strings.Join(notes, ", ") + ")"
}

// states is the change of state.
func (s *Step) states() string {
	if s.Enter != "" && s.Exit != "" {
		return s.Enter + ", " + s.Exit
	}
	return s.Enter + s.Exit
}

// waits is what the step waits for.
func (s *Step) waits() string {
	ended := slices.DeleteFunc(slices.Clone(s.After), func(i int) bool { return slices.Contains(s.Begun, i) })
	waits := numbers(ended)
	if len(s.Begun) > 0 {
		if waits != "" {
			waits += ", "
		}
		waits += "beginning of " + numbers(s.Begun)
	}
	if len(s.OnFailure) > 0 {
		if waits != "" {
			waits += " or "
		}
		waits += "failure of " + numbers(s.OnFailure)
	}
	return waits
}

// numbers writes ascending numbers with runs of three and more as ranges.
func numbers(list []int) string {
	var b strings.Builder
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.Itoa(list[i]))
		if j-i >= 2 {
			b.WriteString("-" + strconv.Itoa(list[j]))
			i = j
		}
		i++
	}
	return b.String()
}
