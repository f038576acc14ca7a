package tosca

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// DefaultLimits are the limits that apply where Options.Limits has zeros.
var DefaultLimits = Limits{FileSize: 64 << 20, Depth: 200, Nodes: 20_000_000, Imports: 1000, Representations: 200_000}

func (l Limits) orDefault() Limits {
	if l.FileSize <= 0 {
		l.FileSize = DefaultLimits.FileSize
	}
	if l.Depth <= 0 {
		l.Depth = DefaultLimits.Depth
	}
	if l.Nodes <= 0 {
		l.Nodes = DefaultLimits.Nodes
	}
	if l.Imports <= 0 {
		l.Imports = DefaultLimits.Imports
	}
	if l.Representations <= 0 {
		l.Representations = DefaultLimits.Representations
	}
	return l
}

// reader reads the files of one Load.
type reader struct {
	src   *sources
	lim   Limits
	s     *sink
	docs  map[string]*document
	order []*document
	nodes int
	files int
	// entry is the version of the entry file.
	entry *versionTable
}

// open reads a file, or returns it where it has been read. It is nil where
// nothing of the file is usable. at is the import that names the file; it is
// nil for the entry file. base is the root of the repository that it lies in.
func (r *reader) open(name string, importer *document, at *yamlx.Node, base string) *document {
	if d, ok := r.docs[name]; ok {
		return d
	}
	r.docs[name] = nil
	place := Range{File: name}
	if importer != nil {
		place = importer.rng(at)
	}
	if r.files++; r.files > r.lim.Imports {
		if r.files == r.lim.Imports+1 {
			r.s.errorf(codeTooLarge, place, "more than %d files are imported", r.lim.Imports)
		}
		return nil
	}
	src, ok := r.bytes(name, place, importer != nil)
	if !ok {
		return nil
	}
	root, faults := yamlx.Parse(src, yamlx.Limits{Depth: r.lim.Depth, Nodes: max(1, r.lim.Nodes-r.nodes), Tags: maxUnknownTags})
	for _, f := range faults {
		if f.Entry == nil && !mappedKey(root, f) {
			r.fault(name, f)
		}
	}
	if root == nil || root.Kind != yamlx.Mapping {
		for _, f := range faults {
			if f.Entry != nil {
				r.fault(name, f)
			}
		}
		isTag := func(f yamlx.Fault) bool { return f.Kind == yamlx.UnknownTag }
		if faults = slices.DeleteFunc(faults, isTag); len(faults) == 0 {
			r.s.errorf(codeWrongShape, Range{File: name, Start: Pos{1, 1}, End: Pos{1, 1}}, "a service template must be a map of keynames")
		}
		return nil
	}
	r.nodes += root.Size()
	d := &document{name: name, base: base, root: root, s: r.s, src: r.src, memo: map[nameKey]*typeDecl{}}
	d.v = r.version(d, importer)
	r.src.versions[name] = d.v
	d.keepCalledKeys(faults)
	d.nameProfile(importer)
	d.repositories = map[string]*Repository{}
	for _, f := range d.entries(root.Get("repositories"), "repositories") {
		d.repositories[f.Key.Text] = d.repository(f)
	}
	if r.entry == nil {
		r.entry = d.v
	}
	r.docs[name] = d
	r.order = append(r.order, d)
	return d
}

// bytes reads a file within the bound of its size.
func (r *reader) bytes(name string, place Range, imported bool) ([]byte, bool) {
	code, what := codeUnreadable, "the service template"
	if imported {
		code, what = codeMissingImport, "the imported file"
	}
	if !fs.ValidPath(name) {
		r.s.errorf(code, place, "%q is no path inside the file system", name)
		return nil, false
	}
	f, err := r.src.Open(name)
	if err != nil {
		if u, ok := pathURL(name); ok {
			var inner *fs.PathError
			if errors.As(err, &inner) {
				err = inner.Err
			}
			r.s.errorf(codeRemoteImport, place, "%q cannot be fetched: %v", u, err)
			return nil, false
		}
		if errors.Is(err, fs.ErrNotExist) {
			d := r.s.errorf(code, place, "%s %q does not exist", what, name)
			d.Suggestion = neighbour(r.src, name)
			return nil, false
		}
		r.s.errorf(code, place, "%s %q cannot be opened: %v", what, name, err)
		return nil, false
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, r.lim.FileSize+1))
	if err != nil {
		r.s.errorf(code, place, "%s %q cannot be read: %v", what, name, err)
		return nil, false
	}
	if int64(len(src)) > r.lim.FileSize {
		r.s.errorf(codeTooLarge, place, "%s %q is larger than %d bytes", what, name, r.lim.FileSize)
		return nil, false
	}
	return src, true
}

// neighbour is the file beside a missing one that was probably meant.
func neighbour(fsys fs.FS, name string) string {
	entries, err := fs.ReadDir(fsys, path.Dir(name))
	if err != nil || len(entries) > 10_000 {
		return ""
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if near := nearest(path.Base(name), names); near != "" {
		return path.Join(path.Dir(name), near)
	}
	return ""
}

var yamlCodes = map[yamlx.FaultKind]string{
	yamlx.Syntax:       codeSyntax,
	yamlx.DuplicateKey: codeDuplicateKey,
	yamlx.BadKey:       codeSyntax,
	yamlx.AliasCycle:   codeSyntax,
	yamlx.TooDeep:      codeTooLarge,
	yamlx.TooMany:      codeTooLarge,
	yamlx.SeveralDocs:  codeSyntax,
	yamlx.UnknownTag:   codeUnknownTag,
}

// maxUnknownTags is how many unknown tags of a file are told.
const maxUnknownTags = 100

func (r *reader) fault(file string, f yamlx.Fault) { r.s.fault(file, f) }

func (s *sink) fault(file string, f yamlx.Fault) {
	severity := Error
	if f.Kind == yamlx.UnknownTag {
		severity = Warning
	}
	d := s.add(severity, yamlCodes[f.Kind], Range{File: file, Start: Pos(f.Start), End: Pos(f.End)}, "%s", []any{f.Message})
	if f.Related.Line > 0 {
		p := Pos(f.Related)
		d.Related = append(d.Related, RelatedRange{Range{File: file, Start: p, End: Pos{p.Line, p.Column + 1}}, "the first is here"})
	}
}

// nameProfile tells the profile that the types of a file belong to: its own,
// or that of the file which imports it.
//
// Source: TOSCA 2.0 sections 6.1 and 6.7.1.
func (d *document) nameProfile(importer *document) {
	if importer != nil {
		d.profile = importer.profile
	}
	if !d.v.v2() {
		return
	}
	n := d.root.Get("profile")
	if n == nil {
		return
	}
	if d.profile = d.text(n, "the profile"); d.profile == "" && n.Kind == yamlx.Scalar {
		d.errorf(codeWrongShape, n, "the name of a profile must be a string").Section = d.v.at("6.7.1")
	}
	for _, f := range d.root.Fields {
		if f.Key.Text == "service_template" {
			dia := d.errorf(codeImportConflict, f.Key, "a file that is a profile has no service template")
			dia.Detail = "Move the service template to a file of its own, which imports the profile."
			dia.Section = d.v.at("6.1")
		}
	}
}

// version tells the version of a file. A file without a usable one is read as
// its importer, or as TOSCA 1.3.
func (r *reader) version(d, importer *document) *versionTable {
	otherwise := versionNamed("tosca_simple_yaml_1_3")
	if importer != nil {
		otherwise = importer.v
	}
	n := d.root.Get("tosca_definitions_version")
	if n.IsNull() {
		place := Range{File: d.name, Start: Pos{1, 1}, End: Pos{1, 1}}
		if importer != nil {
			dia := d.s.warnf(codeMissingVersion, place, "the imported file has no tosca_definitions_version; it is read as %s", otherwise.name)
			if otherwise.v2() { // 1.x wants it too, but published files leave it out
				dia.Severity, dia.Summary = Error, "the imported file has no tosca_definitions_version"
				dia.Detail = "Begin it with \"tosca_definitions_version: " + otherwise.name + "\"."
			}
		} else {
			d.s.errorf(codeMissingVersion, place, "the file has no tosca_definitions_version").Detail =
				"Begin it with \"tosca_definitions_version: tosca_2_0\" or \"tosca_definitions_version: tosca_simple_yaml_1_3\"."
		}
		return otherwise
	}
	if n.Kind != yamlx.Scalar {
		d.wrongShape(n, "tosca_definitions_version", "a string")
		return otherwise
	}
	v := versionNamed(n.Text)
	if v == nil {
		dia := d.errorf(codeUnknownVersion, n, "%q is no known tosca_definitions_version", n.Text)
		dia.Suggestion = nearestVersion(n.Text)
		dia.Detail = "Known are " + strings.Join(versionNames(), ", ") + "."
		return otherwise
	}
	if importer != nil && v.v2() != importer.v.v2() {
		d.warnf(codeMixedVersions, n, "a file of %s is imported into one of %s", v.name, importer.v.name)
	}
	if first := d.root.Fields[0]; v.v2() && first.Value != n {
		d.warnf(codeLateVersion, n, "tosca_definitions_version stands behind %s", first.Key.Text).Detail =
			"TOSCA 2.0 wants it in the first line. This program reads the file all the same; others may not."
	}
	return v
}
