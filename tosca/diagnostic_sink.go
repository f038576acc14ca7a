package tosca

import (
	"fmt"

	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
)

// sink collects the faults that the phases of loading find.
type sink struct {
	list Diagnostics
	// bounded gives up loading, by a panic with gaveUp, when the faults or the
	// work become too many.
	bounded          bool
	errors, warnings int
	work             int
}

// gaveUp ends a Load that a hostile file would make endless. It never leaves
// the package.
type gaveUp struct{}

// The bounds of one Load. A person reads a few faults; a thousand are more
// than a machine needs. The work counts comparisons and copies that grow
// faster than the files.
const (
	maxErrors   = 1000
	maxWarnings = 200_000
	maxWork     = 5_000_000
)

// spend counts work that can grow faster than the files.
func (s *sink) spend(n int, at Range) {
	if s.work += n; s.bounded && s.work > maxWork {
		s.giveUp(at, "linking the template takes too much work; it repeats large parts too often")
	}
}

func (s *sink) giveUp(at Range, why string) {
	s.list = append(s.list, &Diagnostic{Severity: Error, Code: codeTooLarge, Range: at, Summary: why})
	panic(gaveUp{})
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
	switch sev {
	case Error:
		s.errors++
	case Warning:
		s.warnings++
	}
	if s.bounded && (s.errors >= maxErrors || s.warnings >= maxWarnings) {
		s.giveUp(rng, "there are too many faults; the rest is not looked at")
	}
	return d
}

// CodeInfo explains one Diagnostic.Code.
type CodeInfo struct {
	Code string
	// Meaning says what is wrong, in one or two sentences.
	Meaning string
	// Example is YAML that shows the fault.
	Example string
	// Sections are where the specification speaks of it in general, such as
	// "TOSCA 2.0 section 9.4"; a Diagnostic may name a more precise one. It is
	// empty for what no section is about.
	Sections []string
}

// sorted returns what was found in order of file and place, each once, and
// without the user names and passwords of URLs.
func (s *sink) sorted() Diagnostics {
	for _, d := range s.list {
		d.Summary, d.Detail, d.Suggestion = redact.URLs(d.Summary), redact.URLs(d.Detail), redact.URLs(d.Suggestion)
		for i := range d.Related {
			d.Related[i].Message = redact.URLs(d.Related[i].Message)
		}
	}
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
