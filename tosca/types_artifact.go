package tosca

import (
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
)

// artifactDefinitions reads artifacts by name. One of an inherited name replaces
// it; in 1.x it may leave the file and type to the inherited one.
//
// Source: TOSCA 1.3 section 3.6.7, TOSCA 2.0 section 12.2.
func (d *document) artifactDefinitions(n *yamlx.Node, inherited []*Artifact, seen func(*Artifact)) []*Artifact {
	fields := d.namedEntries(n, "artifacts")
	if len(fields) == 0 {
		return inherited
	}
	all := newOrdered(inherited, func(a *Artifact) string { return a.Name })
	for _, f := range fields {
		var a *Artifact
		if f.Value.Kind == yamlx.Scalar {
			a = d.artifactFile(f.Value)
		} else {
			a = d.artifact(f.Value)
		}
		a.Name, a.Range = f.Key.Text, d.rng(f.Key)
		if a.File == "" {
			if old, ok := all.get(a.Name); ok && !d.v.v2() {
				a.File, a.Path, a.Repository = old.File, old.Path, old.Repository
				if a.Type == nil {
					a.Type = old.Type
				}
			} else {
				d.errorf(codeMissingKeyname, f.Key, "the artifact %q has no file", a.Name)
			}
		}
		seen(a)
		all.set(a.Name, a)
	}
	return all.list
}

// artifact reads the map form of an artifact.
func (d *document) artifact(n *yamlx.Node) *Artifact {
	d.fields(n, "artifact")
	a := d.artifactFile(n.Get("file"))
	a.Range = d.rng(n)
	if t := typeNamed[ArtifactType](d, artifactKind, n.Get("type")); t != nil {
		a.Type = t
	}
	a.Description = prose(n.Get("description"))
	a.DeployPath = prose(n.Get("deploy_path"))
	a.Version = prose(n.Get("artifact_version"))
	a.Checksum = prose(n.Get("checksum"))
	a.ChecksumAlgorithm = prose(n.Get("checksum_algorithm"))
	a.Metadata = d.metadata(n.Get("metadata"))
	if sum := fieldOf(n, "checksum"); sum != nil && a.ChecksumAlgorithm == "" {
		dia := d.errorf(codeMissingKeyname, sum.Key, "a checksum needs checksum_algorithm")
		if !d.v.v2() {
			dia.Severity = Warning
		}
	}
	if d.v.v2() && n.Kind == yamlx.Mapping && n.Get("type").IsNull() && a.Type == nil {
		d.errorf(codeMissingKeyname, n, "an artifact needs the keyname type").Section = "TOSCA 2.0 section 12.2"
	}
	if repo := n.Get("repository"); !repo.IsNull() {
		a.Repository = d.repositoryNamed(d.text(repo, "the repository"))
		if a.Repository == nil {
			d.errorf(codeUnknownRepository, repo, "there is no repository %q", repo.Text).Suggestion = nearest(repo.Text, sortedKeys(d.repositories))
		}
		a.Path = ""
	}
	d.artifactProperties(a, n.Get("properties"))
	return a
}

// artifactProperties assigns the properties of an artifact: what is given, then
// defaults. In 1.x, whose published types leave properties out, what is not
// declared or missing is a warning.
func (d *document) artifactProperties(a *Artifact, n *yamlx.Node) {
	var defs []*PropertyDefinition
	if a.Type != nil {
		defs = a.Type.Properties
	}
	lenient := func(dia *Diagnostic) *Diagnostic {
		if !d.v.v2() {
			dia.Severity = Warning
		}
		return dia
	}
	given := map[string]bool{}
	for _, f := range d.entries(n, "properties") {
		as := &Assignment{Name: f.Key.Text, Value: d.value(f.Value), Range: d.rng(f.Key)}
		given[as.Name] = true
		def := propertyOf(defs, as.Name)
		switch {
		case def != nil && def.Fixed != nil:
			lenient(d.errorf(codeFixedProperty, f.Key, "the value of the property %q is fixed by its definition", as.Name))
		case def == nil && a.Type != nil:
			lenient(d.errorf(codeUnknownProperty, f.Key, "the artifact type %s has no property %q", a.Type.Name, as.Name)).Suggestion = nearest(as.Name, propertyNames(defs))
		}
		if def != nil {
			as.Schema, as.Sensitive = def.Schema, sensitive(def.Metadata, def.Schema)
			faults := sink{}
			def.Schema.check(as.Value, &faults, "the property \""+as.Name+"\"")
			for _, dia := range faults.list {
				d.s.list = append(d.s.list, lenient(dia))
			}
		}
		a.Properties = append(a.Properties, as)
	}
	for _, def := range defs {
		switch {
		case given[def.Name]:
		case def.Default != nil:
			a.Properties = append(a.Properties, &Assignment{Name: def.Name, Schema: def.Schema, Value: def.Default, Default: true,
				Sensitive: sensitive(def.Metadata, def.Schema), Range: def.Range})
		case def.Required:
			lenient(d.s.errorf(codeMissingProperty, a.Range, "the artifact needs a value for the property %q of %s", def.Name, a.Type.Name)).Related =
				[]RelatedRange{{def.Range, "it is required here"}}
		}
	}
}

// artifactFile makes an artifact of a file name. Its type is told by the
// file's extension.
func (d *document) artifactFile(n *yamlx.Node) *Artifact {
	a := &Artifact{Range: d.rng(n), File: d.text(n, "file")}
	if a.File == "" {
		return a
	}
	a.Type = d.typeOfFile(a.File)
	if isURL(a.File) {
		return a
	}
	p, ok := d.resolve(a.File)
	if !ok {
		d.errorf(codeEscape, n, "the file %q leads out of the archive", a.File)
		return a
	}
	a.Path = p
	return a
}

// typeOfFile returns the artifact type whose file_ext a file has; a file's own
// types come before imported ones, those before built-in ones.
func (d *document) typeOfFile(file string) *ArtifactType {
	if d.extensions == nil {
		d.extensions = map[string]*ArtifactType{}
		add := func(_ string, t *typeDecl) bool {
			x := t.typ.(*ArtifactType)
			if t.node.Get("file_ext").IsNull() {
				return true // inherited
			}
			for _, ext := range x.FileExt {
				ext = strings.ToLower(strings.TrimPrefix(ext, "."))
				if d.extensions[ext] == nil {
					d.extensions[ext] = x
				}
			}
			return true
		}
		d.walk(artifactKind, add)
		if !d.builtin {
			// What extensions mean does not depend on the version of the language.
			builtinProfile(profile.Orchestrator).walk(artifactKind, add)
		}
	}
	if isURL(file) {
		file, _, _ = strings.Cut(file, "?")
	}
	base := path.Base(file)
	for { // "tar.gz" before "gz"
		_, ext, ok := strings.Cut(base, ".")
		if !ok {
			return nil
		}
		if t := d.extensions[strings.ToLower(ext)]; t != nil {
			return t
		}
		base = ext
	}
}

// implementation reads what implements an operation: a string, or a map. A
// string is the name of an artifact, else a file.
//
// Source: TOSCA 1.3 section 3.6.16.
func (d *document) implementation(n *yamlx.Node, artifacts []*Artifact) *Implementation {
	if n.IsNull() {
		return nil
	}
	impl := &Implementation{Range: d.rng(n)}
	switch {
	case n.Kind == yamlx.Scalar:
		impl.Primary = d.implementationArtifact(n, artifacts)
		return impl
	case n.Kind != yamlx.Mapping:
		dia := d.wrongShape(n, "an implementation", "a file name or a map")
		if !d.v.v2() && n.Kind == yamlx.Sequence && len(n.Items) == 0 {
			// How published VNF descriptors write an operation that does nothing.
			dia.Severity = Warning
		}
		return nil
	case n.Get("file") != nil:
		impl.Primary = d.reached(d.artifact(n))
		return impl
	}
	d.fields(n, "implementation")
	if p := n.Get("primary"); !p.IsNull() {
		impl.Primary = d.implementationArtifact(p, artifacts)
	}
	for _, item := range d.items(n.Get("dependencies"), "dependencies") {
		if a := d.implementationArtifact(item, artifacts); a != nil {
			impl.Dependencies = append(impl.Dependencies, a)
		}
	}
	impl.Timeout = d.timeout(n.Get("timeout"))
	impl.OperationHost = d.text(n.Get("operation_host"), "operation_host")
	return impl
}

func (d *document) implementationArtifact(n *yamlx.Node, artifacts []*Artifact) *Artifact {
	switch {
	case n.IsNull():
		return nil
	case n.Kind == yamlx.Mapping:
		return d.reached(d.artifact(n))
	case n.Kind != yamlx.Scalar:
		d.wrongShape(n, "an artifact", "a file name or a map")
		return nil
	}
	if a := first(artifacts, func(a *Artifact) bool { return a.Name == n.Text }); a != nil {
		return d.reached(a)
	}
	return d.reached(d.artifactFile(n))
}

// reached gives an implementation that lies at a URL, or in a repository, its
// path where the archive has the file or it may be fetched. What is deployed,
// such as the image of a container, is not fetched.
func (d *document) reached(a *Artifact) *Artifact {
	if a.Path != "" || a.File == "" || d.src == nil || a.Type.IsA("tosca.artifacts.Deployment") {
		return a
	}
	text := a.File
	if a.Repository != nil && !isURL(text) {
		text = strings.TrimSuffix(a.Repository.URL, "/") + "/" + strings.TrimPrefix(text, "/")
	}
	switch scheme(text) {
	case "", "file":
		if scheme(text) != "" {
			text = filePath(text)
		}
		if p, ok := d.resolve(text); ok && text != "" && d.src.has(p) {
			a.Path = p
		}
	default:
		if p, err := urlPath(text); err == nil && d.src.reaches(p) {
			a.Path = p
		}
	}
	return a
}

// timeout reads seconds, or a scalar-unit.time such as "2 m".
func (d *document) timeout(n *yamlx.Node) time.Duration {
	if n.IsNull() {
		return 0
	}
	text := d.text(n, "timeout")
	if text == "" {
		return 0
	}
	number, unit := text, ""
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }); i >= 0 {
		number, unit = text[:i], strings.TrimSpace(text[i:])
	}
	f, err := strconv.ParseFloat(number, 64)
	scale, ok := timeUnits[strings.ToLower(unit)]
	if err != nil || !ok || f < 0 || f*float64(scale) >= 1<<63 {
		d.errorf(codeBadTimeout, n, "%q is no timeout; give seconds, or a number with a unit such as \"2 m\"", text)
		return 0
	}
	return time.Duration(f * float64(scale))
}

var timeUnits = map[string]time.Duration{
	"": time.Second, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second, "sec": time.Second,
	"ms": time.Millisecond, "us": time.Microsecond, "ns": time.Nanosecond,
}
