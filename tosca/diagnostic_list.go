package tosca

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// String returns "error", "warning" or "invalid".
func (s Severity) String() string {
	switch s {
	case Error:
		return "error"
	case Warning:
		return "warning"
	}
	return "invalid"
}

// MarshalText writes the severity as its String.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads what MarshalText writes.
func (s *Severity) UnmarshalText(text []byte) error {
	switch string(text) {
	case "error":
		*s = Error
	case "warning":
		*s = Warning
	default:
		return fmt.Errorf("tosca: %q is no severity", text)
	}
	return nil
}

// String returns "file:line:column", without what is not known.
func (r Range) String() string {
	if r.Start.Line == 0 {
		return r.File
	}
	return fmt.Sprintf("%s:%d:%d", r.File, r.Start.Line, r.Start.Column)
}

// String returns "file:line:column: severity: summary [code]".
func (d *Diagnostic) String() string {
	text := fmt.Sprintf("%s: %s [%s]", d.Severity, d.Summary, d.Code)
	if at := d.Range.String(); at != "" {
		return at + ": " + text
	}
	return text
}

// Under returns the diagnostics with their files named from a folder in which
// the root of the loaded file system lies at base. Files that were fetched are
// named by their URL; absolute paths stay.
func (ds Diagnostics) Under(base string) Diagnostics {
	list := make(Diagnostics, len(ds))
	for i, d := range ds {
		c := *d
		c.Range.File, _ = seenFrom(base, c.Range.File)
		c.Related = slices.Clone(c.Related)
		for j := range c.Related {
			c.Related[j].Range.File, _ = seenFrom(base, c.Related[j].Range.File)
		}
		list[i] = &c
	}
	return list
}

// seenFrom names a file of the loaded file system, whose root lies at base.
func seenFrom(base, file string) (name string, isURL bool) {
	if address, ok := pathURL(file); ok {
		return address, true
	}
	if file == "" || base == "" || strings.HasPrefix(file, ImportsFolder+"/") || path.IsAbs(file) {
		return file, false
	}
	return path.Join(base, file), false
}

// HasErrors tells whether there is an Error among them.
func (ds Diagnostics) HasErrors() bool {
	return slices.ContainsFunc(ds, func(d *Diagnostic) bool { return d.Severity == Error })
}

// Err returns an error that tells the Errors among them, one a line, or nil
// where there is none. Its code is errs.InvalidArgument.
func (ds Diagnostics) Err() error {
	if !ds.HasErrors() {
		return nil
	}
	return &errs.Error{Code: errs.InvalidArgument, Op: "check service template", Err: &templateError{ds}}
}

// Sort orders by file, place, severity, code and summary.
func (ds Diagnostics) Sort() {
	slices.SortStableFunc(ds, func(a, b *Diagnostic) int {
		return cmp.Or(
			cmp.Compare(a.Range.File, b.Range.File),
			cmp.Compare(a.Range.Start.Line, b.Range.Start.Line),
			cmp.Compare(a.Range.Start.Column, b.Range.Start.Column),
			cmp.Compare(a.Severity, b.Severity),
			cmp.Compare(a.Code, b.Code),
			cmp.Compare(a.Summary, b.Summary),
		)
	})
}

// templateError is the error of a template with faults.
type templateError struct{ ds Diagnostics }

func (e *templateError) Error() string {
	var lines []string
	for _, d := range e.ds {
		if d.Severity != Error {
			continue
		}
		if len(lines) == 20 {
			lines = append(lines, "and more")
			break
		}
		lines = append(lines, d.String())
	}
	return strings.Join(lines, "\n")
}
