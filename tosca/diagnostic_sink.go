package tosca

import "fmt"

// sink collects the faults that the phases of loading find.
type sink struct {
	list Diagnostics
}

// errorf adds an Error. What it returns can be given more: Detail, Related,
// Suggestion, Section.
func (s *sink) errorf(code string, rng Range, format string, args ...any) *Diagnostic {
	return s.add(Error, code, rng, format, args)
}

// warnf adds a Warning, as errorf does an Error.
func (s *sink) warnf(code string, rng Range, format string, args ...any) *Diagnostic {
	return s.add(Warning, code, rng, format, args)
}

func (s *sink) add(sev Severity, code string, rng Range, format string, args []any) *Diagnostic {
	d := &Diagnostic{Severity: sev, Code: code, Range: rng, Summary: fmt.Sprintf(format, args...)}
	s.list = append(s.list, d)
	return d
}

// CodeInfo explains one Diagnostic.Code.
type CodeInfo struct {
	Code string
	// Meaning says what is wrong, in one or two sentences.
	Meaning string
	// Example is YAML that shows the fault.
	Example string
}

// sorted returns what was found in order of file and place, each once.
func (s *sink) sorted() Diagnostics {
	s.list.Sort()
	var out Diagnostics
	for i, d := range s.list {
		if i > 0 {
			if p := s.list[i-1]; p.Range == d.Range && p.Code == d.Code && p.Summary == d.Summary && p.Severity == d.Severity {
				continue
			}
		}
		out = append(out, d)
	}
	return out
}
