package tosca

import (
	"io/fs"
	"slices"
)

// Options say how to load. The zero Options are the defaults.
type Options struct {
	// Inputs are values for the inputs of the service template. They are
	// checked against the inputs' schemas; a missing required one is an error
	// only where CheckInputs is set.
	Inputs map[string]any
	// InputsFile are the inputs with their places, in place of Inputs: what is
	// wrong with one is told where it stands in the file. Default: none.
	InputsFile *InputsFile
	// CheckInputs makes an error of a required input that has neither a value nor a default.
	CheckInputs bool
	// SkipArtifactFiles does not check that the files of artifacts exist.
	SkipArtifactFiles bool
	// Definitions are the paths of further service templates in the file system,
	// beside the imported files: node templates with the directive "substitute"
	// look among them for a service that substitutes them. For a CSAR they are
	// its Other-Definitions. Where it is not nil, even if it is empty, these are
	// all that there are, and it is an error of TOSCA 2.0 where none fits; else
	// it is a warning. Default: nil.
	Definitions []string
	// Profiles are file systems in which profiles are looked for by the name
	// that an import of TOSCA 2.0 gives, the first before the others and all
	// before the built-in ones: folders of profiles, or the contents of archives
	// (csar.Archive.FS). The profile "org.example:1.0" is found fastest in
	// org/example/1.0/profile.yaml or org.example/1.0/profile.yaml; else any
	// file ending in .yaml or .yml is taken whose keyname "profile" has that
	// name. Default: none.
	Profiles []fs.FS
	// Fetch gets the bytes of a file that an import, or the implementation of an
	// operation, names by a URL, itself or through a repository. The URL is
	// absolute. At most Limits.Imports files of Limits.FileSize are fetched;
	// Fetch should bound what it reads itself, and where it reads it from, as
	// csar.HTTPFetcher does. Default: nothing is fetched, and such an import is
	// an error.
	Fetch func(url string) ([]byte, error)
	// Functions names the custom functions of TOSCA 2.0 that the orchestrator
	// knows without a definition, with their namespaces where they are called
	// with one.
	Functions []string
	// Limits bound what a template can make large. Zero fields mean the defaults of DefaultLimits.
	Limits Limits

	// keyname is told each keyname that is read; tests want all of them used.
	keyname func(construct, key string, level int)
}

// LoadedAs reports whether Load, had it been given these Options, would have
// made the same of the files and found no more wrong with them, as far as
// SkipArtifactFiles, Definitions and Functions decide. It leaves Inputs and
// Limits out of account, and where imports come from.
func (t *ServiceTemplate) LoadedAs(opts *Options) bool {
	if t.options.SkipArtifactFiles && !opts.SkipArtifactFiles || !slices.Equal(t.options.Definitions, opts.Definitions) {
		return false
	}
	if t.unsubstituted && t.options.Definitions == nil && opts.Definitions != nil {
		return false
	}
	known := opts.knownFunctions()
	return !slices.ContainsFunc(t.options.Functions, func(name string) bool { return !known[name] })
}

func (o *Options) knownFunctions() map[string]bool {
	known := make(map[string]bool, len(o.Functions))
	for _, name := range o.Functions {
		known[name] = true
	}
	return known
}

// Limits bound what a template can make large.
type Limits struct {
	// FileSize is in bytes, for each file. Default 64 MiB.
	FileSize int64
	// Depth is how deep YAML may nest. Default 200.
	Depth int
	// Nodes is how many YAML nodes all files may have together, aliases expanded. Default 20,000,000.
	Nodes int
	// Imports is how many files may be read, and how many fetched. Default 1,000.
	Imports int
	// Representations is how many nodes the templates with a count may make
	// together. Default 200,000.
	Representations int
}

// Load reads the service template in file, which lies in fsys, with all that
// it imports, resolves and checks it.
//
// It reports every fault of every phase that it can still reach. The service
// template is what could be built in spite of them and is nil only when the
// entry file could not be read as YAML or the faults are too many; it must not be deployed when
// Diagnostics.HasErrors.
//
// Source: TOSCA 1.3 section 3.10, TOSCA 2.0 sections 6.1 and 6.9.
func Load(fsys fs.FS, file string, opts *Options) (*ServiceTemplate, Diagnostics) {
	return load(fsys, file, opts)
}

func load(fsys fs.FS, file string, opts *Options) (t *ServiceTemplate, ds Diagnostics) {
	if opts == nil {
		opts = &Options{}
	}
	if opts.InputsFile != nil {
		with := *opts
		with.Inputs = opts.InputsFile.Values()
		opts = &with
	}
	s := &sink{bounded: true}
	lim := opts.Limits.orDefault()
	src := newSources(fsys, opts, lim)
	defer func() {
		switch r := recover().(type) {
		case nil:
		case gaveUp:
			t, ds = nil, src.cite(s.sorted())
		default:
			panic(r)
		}
	}()
	c := &composer{src: src, opts: *opts, lim: lim, candidates: map[string]*candidate{}, told: map[string]bool{}}
	r := c.read(file, s)
	if r == nil {
		return nil, src.cite(s.sorted())
	}
	t, b := c.build(r, *opts, nil, nil)
	b.build(r.entry, r.docs)
	(&checker{builder: b, fsys: src}).check()
	refuseKeys(r.entry, r.docs)
	t.External = src.external()
	t.options = Options{SkipArtifactFiles: opts.SkipArtifactFiles, Definitions: slices.Clone(opts.Definitions), Functions: slices.Clone(opts.Functions)}
	t.unsubstituted = c.unsubstituted
	checkInputs(t, opts, s)
	if f := opts.InputsFile; f != nil && src.versions[f.Name] == nil {
		src.versions[f.Name] = src.versions[t.File] // the sections are those of the template's language
	}
	return t, src.cite(s.sorted())
}

// checkInputs reports given inputs that do not fit, missing ones where they are
// asked for, and properties that do not fit with the inputs.
func checkInputs(t *ServiceTemplate, opts *Options, s *sink) {
	values, faults := t.resolveInputs(opts.Inputs, opts.InputsFile)
	given := opts.Inputs != nil || opts.CheckInputs
	for _, f := range faults {
		if given && (f.Code != "missing-input" || opts.CheckInputs) {
			s.list = append(s.list, f)
		}
	}
	if !s.list.HasErrors() {
		s.list = append(s.list, t.checkProperties(values, !given)...)
	}
}

// visibleTypes gathers the types that a file can name.
func visibleTypes(d *document) *Types {
	return &Types{
		Artifact:     typeMap[ArtifactType](d, artifactKind),
		Data:         typeMap[DataType](d, dataKind),
		Capability:   typeMap[CapabilityType](d, capabilityKind),
		Interface:    typeMap[InterfaceType](d, interfaceKind),
		Relationship: typeMap[RelationshipType](d, relationshipKind),
		Node:         typeMap[NodeType](d, nodeKind),
		Group:        typeMap[GroupType](d, groupKind),
		Policy:       typeMap[PolicyType](d, policyKind),
	}
}

func typeMap[T any](d *document, kind typeKind) map[string]*T {
	m := map[string]*T{}
	d.visible(kind, 0, func(name string, t *typeDecl) { m[name] = t.typ.(*T) })
	return m
}
