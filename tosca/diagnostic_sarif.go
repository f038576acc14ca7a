package tosca

import (
	"encoding/json"
	"io"
	"net/url"
	"path"
)

// SARIFOptions say how WriteSARIF writes.
type SARIFOptions struct {
	// Tool and Version name the program that reports. Tool defaults to
	// "orchestrator".
	Tool, Version string
	// Base is put before the path of every file: where the root of the loaded
	// file system lies, seen from the root of the sources, or absolute.
	Base string
}

// WriteSARIF writes diagnostics as a SARIF log of one run, which code hosts and
// editors show beside the source. opts may be nil.
//
// Source: OASIS Static Analysis Results Interchange Format 2.1.0.
func WriteSARIF(w io.Writer, ds Diagnostics, opts *SARIFOptions) error {
	o := SARIFOptions{}
	if opts != nil {
		o = *opts
	}
	if o.Tool == "" {
		o.Tool = "orchestrator"
	}
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: o.Tool, Version: o.Version, Rules: []sarifRule{}}
	rules := map[string]int{}
	for _, d := range ds {
		if _, known := rules[d.Code]; !known {
			rules[d.Code] = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, ruleOf(d.Code))
		}
		run.Results = append(run.Results, o.result(d, rules[d.Code]))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(sarifLog{
		Schema:  "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

// ruleOf describes a code by the catalogue.
func ruleOf(code string) sarifRule {
	for _, c := range Codes() {
		if c.Code == code {
			return sarifRule{ID: code, Short: &sarifMessage{c.Meaning}, Help: &sarifMessage{"For example: " + c.Example}}
		}
	}
	return sarifRule{ID: code}
}

func (o SARIFOptions) result(d *Diagnostic, rule int) sarifResult {
	text := d.Summary
	if d.Suggestion != "" {
		text += "; did you mean \"" + d.Suggestion + "\"?"
	}
	if d.Detail != "" {
		text += "\n" + d.Detail
	}
	if d.Section != "" {
		text += "\nSee " + d.Section + "."
	}
	r := sarifResult{RuleID: d.Code, RuleIndex: rule, Level: d.Severity.String(), Message: sarifMessage{text}}
	if d.Range.File != "" {
		r.Locations = []sarifLocation{{Physical: o.physical(d.Range)}}
	}
	for i, other := range d.Related {
		r.Related = append(r.Related, sarifLocation{ID: i + 1, Physical: o.physical(other.Range), Message: &sarifMessage{other.Message}})
	}
	return r
}

func (o SARIFOptions) physical(r Range) sarifPhysical {
	p := sarifPhysical{}
	file, isURL := seenFrom(o.Base, r.File)
	switch {
	case isURL:
		p.Artifact.URI = file
	case path.IsAbs(file):
		p.Artifact.URI = (&url.URL{Scheme: "file", Path: file}).String()
	default:
		p.Artifact.URI = (&url.URL{Path: file}).String()
	}
	if r.Start.Line > 0 {
		p.Region = &sarifRegion{StartLine: r.Start.Line, StartColumn: r.Start.Column, EndLine: r.End.Line, EndColumn: r.End.Column}
	}
	return p
}

// What follows are the objects of SARIF 2.1.0, section 3, as far as they are used.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool struct {
			Driver sarifDriver `json:"driver"`
		} `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string        `json:"id"`
		Short *sarifMessage `json:"shortDescription,omitempty"`
		Help  *sarifMessage `json:"help,omitempty"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string          `json:"ruleId"`
		RuleIndex int             `json:"ruleIndex"`
		Level     string          `json:"level"`
		Message   sarifMessage    `json:"message"`
		Locations []sarifLocation `json:"locations,omitempty"`
		Related   []sarifLocation `json:"relatedLocations,omitempty"`
	}
	sarifLocation struct {
		ID       int           `json:"id,omitempty"`
		Physical sarifPhysical `json:"physicalLocation"`
		Message  *sarifMessage `json:"message,omitempty"`
	}
	sarifPhysical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
		Region *sarifRegion `json:"region,omitempty"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndLine     int `json:"endLine,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
)
