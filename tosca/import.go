package tosca

import (
	"net/url"
	"path"
	"strings"
	"sync"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
)

// readAll reads a file with all that it imports. Files are linked before
// their imports are followed, so that a cycle of imports ends.
//
// Source: TOSCA 1.3 section 3.6.8 and 3.10.3.6, TOSCA 2.0 section 6.8.
func (r *reader) readAll(name string) *document {
	entry := r.open(name, nil, nil, ".")
	all := declared{}
	for i := 0; i < len(r.order); i++ {
		d := r.order[i]
		d.profiles = r.implicitProfiles(d.v)
		for _, item := range r.imports(d) {
			r.follow(d, item)
		}
		d.declare()
		all.add(d)
		for _, imp := range d.imports {
			if imp.doc.builtin {
				all.add(imp.doc)
			}
		}
		d.declared = all
		if d != entry {
			d.entry, d.borrowed = entry, map[nameKey]bool{}
		}
	}
	return entry
}

// imports returns the items under "imports". Early drafts of 1.0 have a map of
// names, and templates are found with a lone file name.
func (r *reader) imports(d *document) []*yamlx.Node {
	n := d.root.Get("imports")
	if n.IsNull() || n.Kind == yamlx.Sequence || d.v.v2() {
		return d.items(n, "imports")
	}
	d.warnf(codeOddImport, n, "imports is a %s, not a list; taken as meant", n.Kind)
	if n.Kind == yamlx.Scalar {
		return []*yamlx.Node{n}
	}
	var list []*yamlx.Node
	for _, f := range n.Fields {
		list = append(list, f.Value)
	}
	return list
}

// implicitProfiles are what a file of that version sees without importing it.
// All files of 1.x see the profile of the entry file, so that their types are
// the same types.
func (r *reader) implicitProfiles(v *versionTable) []*document {
	if v.v2() {
		return nil
	}
	name := v.profile
	if !r.entry.v2() {
		name = r.entry.profile
	}
	list := []*document{simpleProfile(name), builtinProfile(profile.Orchestrator)}
	if v.extension != "" {
		list = append(list, builtinProfile(v.extension))
	}
	return list
}

// simpleProfile is the profile of a version of 1.x.
func simpleProfile(name string) *document {
	if d := builtinProfile(name); d != nil {
		return d
	}
	return builtinProfile("tosca_simple_yaml_1_3")
}

// follow reads what one item of "imports" names.
func (r *reader) follow(d *document, item *yamlx.Node) {
	spec := d.importSpec(item)
	if spec.Kind == yamlx.Scalar && !spec.IsNull() {
		if name, root, ok := r.locate(d, spec, nil); ok {
			d.link(docImport{doc: r.open(name, d, spec, root)})
		}
		return
	}
	if spec.Kind != yamlx.Mapping {
		d.wrongShape(item, "an import", "a file name, or a map with the keyname "+d.v.importFile)
		return
	}
	for _, f := range spec.Fields {
		// Files of all versions may import what is built in, such as "hpc".
		if f.Key.Text != "profile" || builtinProfile(f.Value.Text) == nil || d.v.v2() {
			d.keyname(f.Key, "import")
		}
	}
	target, named, repo := either(spec, "file", "url"), spec.Get("profile"), spec.Get("repository")
	imp := docImport{prefix: d.text(either(spec, "namespace_prefix", "namespace"), "the namespace")}
	switch {
	case !named.IsNull() && !target.IsNull():
		d.oddImport(named, "an import names a url or a profile, not both")
	case !named.IsNull() && !repo.IsNull():
		d.oddImport(repo, "a profile is not imported from a repository; only a url is")
	case !named.IsNull():
		imp.doc = r.profileNamed(d, named)
	case target.IsNull():
		dia := d.errorf(codeMissingKeyname, item, "an import must have the keyname %s%s", d.v.importFile, d.v.importOr)
		dia.Section = d.v.at(d.v.importSection)
	case target.Kind != yamlx.Scalar:
		d.wrongShape(target, "an import's "+d.v.importFile, "a string")
	default:
		if name, root, ok := r.locate(d, target, repo); ok {
			imp.doc = r.open(name, d, target, root)
		}
	}
	d.link(imp)
}

func (d *document) oddImport(n *yamlx.Node, why string) {
	d.errorf(codeImportConflict, n, "%s", why).Section = d.v.at(d.v.importSection)
}

// importSpec unwraps the named forms of 1.x: "- name: file", "- name: {file:
// ...}", and the same with the name's entry one level too high.
func (d *document) importSpec(item *yamlx.Node) *yamlx.Node {
	if item.Kind != yamlx.Mapping || len(item.Fields) == 0 || d.v.v2() {
		return item
	}
	first := item.Fields[0]
	if importKeyname(first.Key.Text) {
		return item
	}
	if len(item.Fields) == 1 {
		return first.Value
	}
	if first.Value.IsNull() && item.Get("file") != nil {
		d.warnf(codeOddImport, first.Key, "what belongs to the import %q is not indented below it; taken as meant", first.Key.Text)
		rest := *item
		rest.Fields = item.Fields[1:]
		return &rest
	}
	return item
}

func (d *document) link(imp docImport) {
	if imp.doc != nil && !d.linked[imp] {
		if d.linked == nil {
			d.linked = map[docImport]bool{}
		}
		d.linked[imp] = true
		d.imports = append(d.imports, imp)
	}
}

func importKeyname(key string) bool { _, ok := keynames["import"][key]; return ok }

// either returns the value of the first of two keys that is there: many
// keynames were renamed between 1.3 and 2.0.
func either(n *yamlx.Node, a, b string) *yamlx.Node {
	if v := n.Get(a); v != nil {
		return v
	}
	return n.Get(b)
}

// locate makes a path of what an import names, and tells the root of the
// repository that it lies in.
//
// Source: TOSCA 2.0 section 6.8.2.2.
func (r *reader) locate(d *document, target, repo *yamlx.Node) (name, base string, ok bool) {
	if repo.IsNull() {
		return r.place(d, target, target.Text)
	}
	def := d.repositoryNamed(d.text(repo, "the repository"))
	if def == nil {
		dia := d.errorf(codeUnknownRepository, repo, "there is no repository %q", repo.Text)
		dia.Suggestion = nearest(repo.Text, sortedKeys(d.repositories))
		return "", "", false
	}
	if isURL(target.Text) {
		if d.v.v2() {
			d.oddImport(repo, "an import by a URL with a scheme cannot name a repository too")
			return "", "", false
		}
		d.warnf(codeOddImport, repo, "the repository has no effect on a URL with a scheme")
		return r.place(d, target, target.Text)
	}
	// The repository's own folder is the root of what lies in it.
	folder, _, ok := r.place(d, target, def.URL)
	if !ok {
		return "", "", false
	}
	name = path.Join(folder, target.Text)
	if !within(folder, name) {
		d.escape(target, target.Text)
		return "", "", false
	}
	return name, folder, true
}

// place returns the path of a file name or URL as a file writes it.
func (r *reader) place(d *document, n *yamlx.Node, text string) (name, base string, ok bool) {
	switch scheme(text) {
	case "":
	case "file":
		if text = filePath(text); text == "" {
			d.remote(n, n.Text)
			return "", "", false
		}
	default:
		name, err := urlPath(text)
		if err != nil {
			d.errorf(codeRemoteImport, n, "the URL %q cannot be used: %v", text, err)
			return "", "", false
		}
		if !r.src.reaches(name) {
			d.remote(n, text)
			return "", "", false
		}
		return name, hostFolder(name), true
	}
	name, ok = d.resolve(text)
	if !ok {
		d.escape(n, text)
	}
	return name, d.base, ok
}

// filePath returns the path of a file: URL, or "" for one of another machine.
func filePath(text string) string {
	text = text[len("file:"):]
	if host, ok := strings.CutPrefix(text, "//"); ok {
		host, rest, _ := strings.Cut(host, "/")
		if host != "" && host != "localhost" {
			return ""
		}
		text = "/" + rest
	}
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

func (d *document) escape(n *yamlx.Node, name string) {
	d.errorf(codeEscape, n, "the import %q leads out of the archive", name).Detail =
		"Paths are relative to the importing file; a leading / means the root of the archive."
}

func (d *document) remote(n *yamlx.Node, url string) {
	d.errorf(codeRemoteImport, n, "%q would have to be fetched from the network", url).Detail =
		"Loading does that only where the program allows it (Options.Fetch). Else put the file into the archive and import it by its path."
}

// resolve returns the path of a file that a file names: relative to it, or
// with a leading slash to the root of its repository. ok is false where it
// leads out.
func (d *document) resolve(name string) (resolved string, ok bool) {
	dir := path.Dir(d.name)
	if rest, rooted := strings.CutPrefix(name, "/"); rooted {
		dir, name = d.base, rest
	}
	p := path.Join(dir, name)
	return p, within(d.base, p)
}

// within tells whether a clean path is a folder or lies in it.
func within(folder, p string) bool {
	if folder == "." {
		return p != ".." && !strings.HasPrefix(p, "../")
	}
	return p == folder || strings.HasPrefix(p, folder+"/")
}

// repository reads a repository definition.
//
// Source: TOSCA 1.3 section 3.6.6, TOSCA 2.0 section 6.5.
func (d *document) repository(f yamlx.Field) *Repository {
	repo := &Repository{Name: f.Key.Text, Range: d.rng(f.Key)}
	if f.Value.Kind == yamlx.Scalar {
		repo.URL = d.text(f.Value, "a repository")
	} else {
		d.fields(f.Value, "repository")
		repo.URL = d.text(f.Value.Get("url"), "url")
		repo.Description = prose(f.Value.Get("description"))
		repo.Credential = d.value(f.Value.Get("credential"))
	}
	if repo.URL == "" {
		d.errorf(codeMissingKeyname, f.Key, "the repository %q has no url", repo.Name)
	}
	return repo
}

// profiles holds the built-in profiles, each parsed once a process and
// immutable from then on.
var profiles sync.Map // name and file to func() *document

// builtinProfile returns a built-in profile with its types resolved, or nil
// where there is none of that name.
func builtinProfile(name string) *document {
	if once, ok := profiles.Load(name); ok {
		return once.(func() *document)()
	}
	file, content, ok := profile.Open(name)
	if !ok {
		return nil
	}
	once, _ := profiles.LoadOrStore(file, sync.OnceValue(func() *document { return parseProfile(name, file, content) }))
	profiles.Store(name, once)
	return once.(func() *document)()
}

// parseProfile parses a built-in profile. Its faults stay in the sink of the
// document: tests see to it that there are none.
func parseProfile(name, file string, content []byte) *document {
	d := &document{name: file, base: ".", builtin: true, s: &sink{}}
	root, faults := yamlx.Parse(content, yamlx.Limits{})
	for _, f := range faults {
		d.s.errorf(yamlCodes[f.Kind], Range{File: file, Start: Pos(f.Start), End: Pos(f.End)}, "%s", f.Message)
	}
	d.root, d.v = root, versionNamed(prose(root.Get("tosca_definitions_version")))
	if d.v == nil {
		d.v = versionNamed("tosca_simple_yaml_1_3")
	}
	d.nameProfile(nil)
	if name != d.v.profile && !d.v.v2() {
		d.profiles = []*document{simpleProfile(d.v.profile)}
	}
	d.declare()
	declareFunctions([]*document{d})
	r := &typeResolver{}
	r.resolveAll([]*document{d})
	r.readFunctions([]*document{d})
	d.nameNormative()
	return d
}
