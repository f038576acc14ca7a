package tosca

// Pos is a place in a file. Line and Column count from 1; Column counts
// characters, not bytes.
type Pos struct{ Line, Column int }

// Range is a piece of a file. End is the place just behind the last character.
// A zero Start means the whole file.
type Range struct {
	File       string
	Start, End Pos
}

// Severity tells how bad a Diagnostic is.
type Severity int

// The severities. The zero Severity is not valid, so that a forgotten one shows.
const (
	SeverityInvalid Severity = iota
	// Error: the template cannot be used.
	Error
	// Warning: the template is used, but probably not as its author meant, or
	// thanks to a leniency that the specification does not grant.
	Warning
)

// Diagnostic is one fault found in a template.
type Diagnostic struct {
	Severity Severity
	// Code is stable over releases, such as "unknown-type". See Codes.
	Code string
	// Summary is one line without the place.
	Summary string
	// Detail says what was expected and what to do.
	Detail string
	Range  Range
	// Related are other places worth seeing.
	Related []RelatedRange
	// Suggestion is the name probably meant; empty where nothing comes near.
	Suggestion string
	// Section is where the specification says so, such as "TOSCA 1.3, 3.8.2".
	Section string
}

// RelatedRange is a further place with what is there.
type RelatedRange struct {
	Range   Range
	Message string
}

// Diagnostics are the faults found in a template, in order of file and place.
type Diagnostics []*Diagnostic
