package tosca

import (
	"path"
	"strings"
	"sync"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
)

// readAll reads a file with all that it imports. Files are linked before
// their imports are followed, so that a cycle of imports ends.
//
// Source: TOSCA 1.3 section 3.6.8 and 3.10.3.6, TOSCA 2.0 section 6.7.
func (r *reader) readAll(name string) *document {
	entry := r.open(name, nil, nil)
	for i := 0; i < len(r.order); i++ {
		d := r.order[i]
		d.repositories = map[string]*Repository{}
		for _, f := range d.entries(d.root.Get("repositories"), "repositories") {
			d.repositories[f.Key.Text] = d.repository(f)
		}
		d.profiles = r.implicitProfiles(d.v)
		for _, item := range d.items(d.root.Get("imports"), "imports") {
			r.follow(d, item)
		}
		d.declare()
		if d != entry {
			d.entry, d.borrowed = entry, map[nameKey]bool{}
		}
	}
	return entry
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
	return []*document{simpleProfile(name), builtinProfile(profile.Orchestrator)}
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
	spec := item
	if item.Kind == yamlx.Mapping && len(item.Fields) == 1 && !importKeyname(item.Fields[0].Key.Text) {
		spec = item.Fields[0].Value // the named form of 1.0
	}
	imp := docImport{}
	var target *yamlx.Node
	var repo *yamlx.Node
	switch {
	case spec.Kind == yamlx.Scalar && !spec.IsNull():
		target = spec
	case spec.Kind == yamlx.Mapping:
		d.fields(spec, "import")
		target, repo = either(spec, "file", "url"), spec.Get("repository")
		imp.prefix = d.text(either(spec, "namespace_prefix", "namespace"), "the namespace")
		if p := spec.Get("profile"); !p.IsNull() {
			imp.doc = r.profileNamed(d, p)
			d.link(imp)
			return
		}
	}
	if target.IsNull() || target.Kind != yamlx.Scalar {
		d.wrongShape(item, "an import", "a file name, or a map with the keyname "+d.v.importFile)
		return
	}
	if name, ok := r.locate(d, target, repo); ok {
		imp.doc = r.open(name, d, target)
		d.link(imp)
	}
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

// locate makes a path inside the file system of what an import names.
func (r *reader) locate(d *document, target, repo *yamlx.Node) (string, bool) {
	name, dir := target.Text, path.Dir(d.name)
	if !repo.IsNull() {
		def := d.repositories[repo.Text]
		if def == nil {
			dia := d.errorf(codeUnknownRepository, repo, "there is no repository %q", repo.Text)
			dia.Suggestion = nearest(repo.Text, sortedKeys(d.repositories))
			return "", false
		}
		if isURL(def.URL) {
			d.remote(target, def.URL)
			return "", false
		}
		name = path.Join(def.URL, strings.TrimPrefix(name, "/"))
	}
	if isURL(name) {
		d.remote(target, name)
		return "", false
	}
	resolved, ok := resolvePath(dir, name)
	if !ok {
		d.errorf(codeEscape, target, "the import %q leads out of the archive", name).Detail =
			"Paths are relative to the importing file; a leading / means the root of the archive."
	}
	return resolved, ok
}

func (d *document) remote(n *yamlx.Node, url string) {
	d.errorf(codeRemoteImport, n, "%q would have to be fetched from the network", url).Detail =
		"Loading never does that. Put the file into the archive and import it by its path."
}

// resolvePath resolves a path against a folder inside the file system; a
// leading slash means the root. ok is false where it leads out.
func resolvePath(dir, name string) (resolved string, ok bool) {
	if rest, rooted := strings.CutPrefix(name, "/"); rooted {
		dir, name = ".", rest
	}
	p := path.Join(dir, name)
	return p, p != ".." && !strings.HasPrefix(p, "../")
}

func isURL(s string) bool {
	scheme, _, ok := strings.Cut(s, "://")
	return ok && scheme != "" && !strings.ContainsAny(scheme, "/.")
}

// profileNamed returns the built-in profile that an import of 2.0 names.
func (r *reader) profileNamed(d *document, n *yamlx.Node) *document {
	if p := builtinProfile(d.text(n, "the profile")); p != nil {
		return p
	}
	dia := d.errorf(codeUnknownProfile, n, "there is no profile %q", n.Text)
	dia.Suggestion = nearest(n.Text, profile.Names())
	dia.Detail = "Built in are " + strings.Join(profile.Names(), ", ") + "."
	return nil
}

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
var profiles sync.Map // name to func() *document

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
	once, _ := profiles.LoadOrStore(name, sync.OnceValue(func() *document { return parseProfile(name, file, content) }))
	return once.(func() *document)()
}

// parseProfile parses a built-in profile. Its faults stay in the sink of the
// document: tests see to it that there are none.
func parseProfile(name, file string, content []byte) *document {
	d := &document{name: file, builtin: true, s: &sink{}}
	root, faults := yamlx.Parse(content, yamlx.Limits{})
	for _, f := range faults {
		d.s.errorf(yamlCodes[f.Kind], Range{File: file, Start: Pos(f.Start), End: Pos(f.End)}, "%s", f.Message)
	}
	d.root, d.v = root, versionNamed(prose(root.Get("tosca_definitions_version")))
	if d.v == nil {
		d.v = versionNamed("tosca_simple_yaml_1_3")
	}
	if name != d.v.profile && !d.v.v2() {
		d.profiles = []*document{simpleProfile(d.v.profile)}
	}
	d.declare()
	(&typeResolver{}).resolveAll([]*document{d})
	d.nameNormative()
	return d
}
