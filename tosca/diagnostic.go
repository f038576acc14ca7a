package tosca

// Pos is a place in a file. Line and Column count from 1; Column counts
// characters, not bytes.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
}

// Range is a piece of a file. End is the place just behind the last character.
// A zero Start means the whole file.
type Range struct {
	File  string `json:"file"`
	Start Pos    `json:"start"`
	End   Pos    `json:"end"`
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
	Severity Severity `json:"severity"`
	// Code is stable over releases, such as "unknown-type". See Codes.
	Code string `json:"code"`
	// Summary is one line without the place.
	Summary string `json:"summary"`
	// Detail says what was expected and what to do.
	Detail string `json:"detail,omitempty"`
	Range  Range  `json:"range"`
	// Related are other places worth seeing.
	Related []RelatedRange `json:"related,omitempty"`
	// Suggestion is the name probably meant; empty where nothing comes near.
	Suggestion string `json:"suggestion,omitempty"`
	// Section is where the specification says so, such as "TOSCA 2.0 section 9.4".
	// Files of 1.0 to 1.2 are referred to the text of 1.3. It is empty for what
	// no section is about, such as a file that cannot be read.
	Section string `json:"section,omitempty"`
}

// RelatedRange is a further place with what is there.
type RelatedRange struct {
	Range   Range  `json:"range"`
	Message string `json:"message"`
}

// Diagnostics are the faults found in a template, in order of file and place.
type Diagnostics []*Diagnostic
