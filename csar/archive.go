package csar

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// Options say how an archive is opened. The zero value will do.
type Options struct {
	// Root is the folder that a lone YAML file may use files of: the view's
	// root. The file must lie in it. Default: the folder of the file. It is
	// not used for anything else than a lone YAML file.
	Root string
	// Entry is the path of the service template in the archive. Default: what
	// TOSCA.meta names, else the one YAML file at the root.
	Entry string
	// AnyTemplate takes the one YAML file at the root of an archive without
	// TOSCA.meta although its metadata lacks template_name and template_version.
	AnyTemplate bool
	// Limits bound what the archive may hold.
	Limits Limits
}

// Archive is an immutable view of an archive's files. It is safe for use by
// several goroutines.
//
// Source: TOSCA 1.3 section 6.1, TOSCA 2.0 section 17.1.
type Archive struct {
	name  string
	fsys  fs.FS
	files fs.FS // what Digest and Pack cover
	entry string
	meta  Meta
	// others are the paths of Other-Definitions.
	others []string
	lim    Limits
	close  func() error
}

// FS returns the files, read-only. It takes part in [io/fs] fully: folders can
// be listed, and fs.ReadFile, fs.Stat and fs.WalkDir work. Links in a folder
// are shown as what they lead to. It must not be used after Close.
func (a *Archive) FS() fs.FS { return a.fsys }

// Entry returns the path of the service template in FS.
func (a *Archive) Entry() string { return a.entry }

// Meta returns what TOSCA.meta says; zero where there is none.
func (a *Archive) Meta() Meta { return a.meta }

// OtherDefinitions returns the paths in FS of the service templates that
// TOSCA.meta lists under Other-Definitions, in its order: they substitute nodes
// of the one at Entry (TOSCA 2.0, 17.2.1). Each is a file of the archive.
func (a *Archive) OtherDefinitions() []string { return slices.Clone(a.others) }

// Close ends the view, and that of every Subset of it.
func (a *Archive) Close() error {
	if a.close == nil {
		return nil
	}
	return a.close()
}

// Open opens the archive at a path: a zip, tar or tar.gz file (told by its
// contents), a folder, or a lone YAML file, which is every other text file.
// Of a folder only TOSCA.meta and the lists of the files at its root and beside
// TOSCA.meta are read, of a lone YAML file nothing but its first bytes: whoever
// loads it tells what is wrong with its text. Options may be nil.
//
// An error is an *Error where the archive is at fault.
//
// Source: TOSCA 1.3 section 6, TOSCA 2.0 section 17.1.1.
func Open(path string, opts *Options) (*Archive, error) {
	a, err := open(path, opts.orDefault())
	if err != nil {
		return nil, within(err, "open", path)
	}
	return a, nil
}

func (o *Options) orDefault() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	opts.Limits = opts.Limits.withDefaults()
	return opts
}

func open(name string, opts Options) (*Archive, error) {
	info, err := os.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return openFolderAt(name, opts)
	case !info.Mode().IsRegular():
		return nil, fault(NotAnArchive, "", "neither a file nor a folder (%v)", info.Mode().Type())
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	kind, err := detect(f, info.Size(), name)
	if err != nil || kind == loneYAML {
		if err = errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
		return openLone(name, opts)
	}
	a, err := openBytes(f, info.Size(), kind, name, opts)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	inner := a.close
	a.close = func() error {
		if inner != nil {
			return errors.Join(inner(), f.Close())
		}
		return f.Close()
	}
	return a, nil
}

// OpenReader opens a zip, tar or tar.gz of a size that r holds. The reader is
// used until Close and is not closed. Options may be nil.
func OpenReader(r io.ReaderAt, size int64, opts *Options) (*Archive, error) {
	kind, err := detect(r, size, "")
	if err == nil && kind == loneYAML {
		err = fault(NotAnArchive, "", "the bytes are no zip, tar or tar.gz")
	}
	var a *Archive
	if err == nil {
		a, err = openBytes(r, size, kind, "archive", opts.orDefault())
	}
	if err != nil {
		return nil, within(err, "open", "archive")
	}
	return a, nil
}

// FromFS makes an Archive of any file system, such as an embedded one. Entry
// is the path of the service template; where it is empty, TOSCA.meta or the
// one YAML file at the root tells. Nothing else is read.
func FromFS(fsys fs.FS, entry string) (*Archive, error) {
	a := &Archive{name: "file system", fsys: fsys, files: fsys, lim: Limits{}.withDefaults()}
	if err := a.findEntry(Options{Entry: entry}); err != nil {
		return nil, within(err, "open", a.name)
	}
	return a, nil
}

// kind is a form of archive.
type kind int

const (
	zipFile kind = iota
	tarFile
	tarGzFile
	loneYAML
)

// detect tells the form of a file by its first bytes, and by its name where
// these do not tell.
func detect(r io.ReaderAt, size int64, name string) (kind, error) {
	head := make([]byte, min(size, tarBlock))
	if n, err := r.ReadAt(head, 0); err != nil && err != io.EOF {
		return 0, err
	} else if n < len(head) {
		return 0, fault(Truncated, "", "the file is shorter than its size")
	}
	starts := func(magic string) bool { return strings.HasPrefix(string(head), magic) }
	switch {
	case starts("PK\x03\x04"), starts("PK\x05\x06"):
		return zipFile, nil
	case starts("\x1f\x8b"):
		return tarGzFile, nil
	case len(head) == tarBlock && string(head[257:262]) == "ustar":
		return tarFile, nil
	}
	switch strings.ToLower(filepath.Ext(name)) {
	case ".zip", ".csar", ".tgz", ".gz":
		return 0, fault(NotAnArchive, "", "the file is no %s archive", filepath.Ext(name))
	case ".tar":
		return tarFile, nil
	}
	text := strings.EqualFold(filepath.Ext(name), ".yaml") || strings.EqualFold(filepath.Ext(name), ".yml") || yamlx.IsText16(head)
	if !text && strings.ContainsRune(string(head), 0) {
		return 0, fault(NotAnArchive, "", "the file is no zip, tar, tar.gz or text")
	}
	return loneYAML, nil
}

func openBytes(r io.ReaderAt, size int64, k kind, name string, opts Options) (*Archive, error) {
	var t *tree
	var closer io.Closer
	var err error
	switch k {
	case zipFile:
		t, err = openZip(r, size, opts.Limits)
	case tarFile:
		t, err = openTar(r, size, opts.Limits)
	case tarGzFile:
		t, closer, err = openTarGz(r, size, opts.Limits)
	}
	if err != nil {
		return nil, err
	}
	a := &Archive{name: name, fsys: t, files: t, lim: opts.Limits}
	if closer != nil {
		a.close = closer.Close
	}
	if err := a.findEntry(opts); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

func openFolderAt(name string, opts Options) (*Archive, error) {
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, err
	}
	a := &Archive{name: name, fsys: folder{root}, files: folder{root}, lim: opts.Limits, close: root.Close}
	if err := a.findEntry(opts); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return a, nil
}

// openLone makes the view of a lone YAML file: all of the root can be read,
// but only the file itself is its content until a Subset says more.
func openLone(name string, opts Options) (*Archive, error) {
	dir := opts.Root
	if dir == "" {
		dir = filepath.Dir(name)
	}
	entry, err := pathIn(dir, name)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	fsys := folder{root}
	files, err := newSubset(fsys, []string{entry})
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return &Archive{name: name, fsys: fsys, files: files, entry: entry, lim: opts.Limits, close: root.Close}, nil
}

// pathIn returns the slash-separated path of a file below a folder.
func pathIn(dir, name string) (string, error) {
	absDir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	absName, err := filepath.Abs(name)
	if err != nil {
		return "", err
	}
	rel, err := filepath.Rel(absDir, absName)
	if err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel), nil
	}
	// The same folder may be known under two names.
	realDir, err1 := filepath.EvalSymlinks(absDir)
	realName, err2 := filepath.EvalSymlinks(absName)
	if err1 == nil && err2 == nil {
		if rel, err := filepath.Rel(realDir, realName); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel), nil
		}
	}
	return "", fault(OutsideRoot, "", "the file does not lie in %s", dir)
}

// findEntry reads TOSCA.meta where there is one and finds the service template.
func (a *Archive) findEntry(opts Options) error {
	if err := a.readMeta(); err != nil {
		return err
	}
	asked := ""
	if opts.Entry != "" {
		asked = path.Clean(filepath.ToSlash(opts.Entry))
	}
	if a.meta.EntryDefinitions != "" {
		line := a.meta.Blocks[0].find(keyEntryDefinitions).Line
		entry, err := a.definition(keyEntryDefinitions, a.meta.EntryDefinitions, line)
		if err != nil {
			return err
		}
		if asked != "" && asked != entry {
			return faultAt(EntryMismatch, a.meta.File, line, "%s is %s, not %s", keyEntryDefinitions, entry, asked)
		}
		a.entry = entry
	} else if asked != "" {
		if info, err := fs.Stat(a.fsys, asked); err != nil {
			return a.unusable(asked, err)
		} else if info.IsDir() {
			return fault(EntryMissing, asked, "the service template is a folder")
		}
		a.entry = asked
	} else if err := a.entryAtRoot(opts); err != nil {
		return err
	}
	for _, other := range a.meta.OtherDefinitions {
		line := a.meta.Blocks[0].find(keyOtherDefinitions).Line
		name, err := a.definition(keyOtherDefinitions, other, line)
		if err != nil {
			return err
		}
		a.others = append(a.others, name)
	}
	return nil
}

func (a *Archive) readMeta() error {
	for _, file := range []string{metaFile, rootMetaFile} {
		info, err := fs.Stat(a.fsys, file)
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
			continue
		}
		if err != nil {
			return err
		}
		if a.meta.File != "" {
			return fault(TwoMetas, file, "TOSCA.meta is there already as %s", a.meta.File)
		}
		src, err := readBounded(a.fsys, file, maxMeta)
		if err != nil {
			return err
		}
		if a.meta, err = ParseMeta(file, src); err != nil {
			return err
		}
	}
	return nil
}

// definition returns the path that a keyname of TOSCA.meta names, which must
// be a file of the archive.
func (a *Archive) definition(key, written string, line int) (string, error) {
	name, err := cleanName(written)
	if err != nil {
		reason := BadName
		if e, ok := errors.AsType[*Error](err); ok {
			reason = e.Reason
		}
		return "", faultAt(reason, a.meta.File, line, "%s: %q is not a path in the archive", key, written)
	}
	info, err := fs.Stat(a.fsys, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", faultAt(EntryMissing, a.meta.File, line, "%s: the archive has no file %s", key, name)
	case err != nil:
		return "", err
	case info.IsDir():
		return "", faultAt(EntryMissing, a.meta.File, line, "%s: %s is a folder", key, name)
	}
	return name, nil
}

func (a *Archive) unusable(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault(EntryMissing, name, "the archive has no such file")
	case errors.Is(err, fs.ErrInvalid):
		return fault(BadName, name, "%q is not a path in the archive", name)
	}
	return err
}

// entryAtRoot takes the one YAML file at the root (TOSCA Simple Profile 1.3,
// 6.3; TOSCA 2.0, 17.3). Only TOSCA 1 asks for its name and version.
func (a *Archive) entryAtRoot(opts Options) error {
	entries, err := fs.ReadDir(a.fsys, ".")
	if err != nil {
		return err
	}
	if a.meta.File == "" {
		if err := a.misspeltMeta(entries); err != nil {
			return err
		}
	}
	var found []string
	for _, e := range entries {
		if ext := path.Ext(e.Name()); !e.IsDir() && (ext == ".yaml" || ext == ".yml") {
			found = append(found, e.Name())
		}
	}
	switch {
	case len(found) == 0 && len(entries) == 1 && entries[0].IsDir() && entries[0].Name()[0] != '.':
		return fault(NoTemplate, "", "neither TOSCA.meta names a service template nor is there a YAML file at the root: all lies in the folder %s; pack it from inside, or give that folder", entries[0].Name())
	case len(found) == 0:
		return fault(NoTemplate, "", "neither TOSCA.meta names a service template nor is there a YAML file at the root")
	case len(found) > 1:
		return fault(ManyTemplates, "", "TOSCA.meta names no service template, and there are %d YAML files at the root: %s",
			len(found), strings.Join(found, ", "))
	}
	a.entry = found[0]
	if a.meta.File != "" || opts.AnyTemplate {
		return nil
	}
	return a.checkTemplateMetadata()
}

// misspeltMeta refuses a TOSCA.meta that differs in upper and lower case only, of
// which entries are the root: it would be passed over with all that it says.
func (a *Archive) misspeltMeta(entries []fs.DirEntry) error {
	for _, e := range entries {
		if !e.IsDir() {
			if fold(e.Name()) == fold(rootMetaFile) {
				return fault(MetaSpelling, e.Name(), "the file must be named %s, in this spelling", rootMetaFile)
			}
			continue
		}
		if fold(e.Name()) != fold(path.Dir(metaFile)) {
			continue
		}
		inside, err := fs.ReadDir(a.fsys, e.Name())
		if err != nil {
			return err
		}
		for _, f := range inside {
			if name := path.Join(e.Name(), f.Name()); !f.IsDir() && fold(name) == fold(metaFile) {
				return fault(MetaSpelling, name, "the file must be named %s, in this spelling", metaFile)
			}
		}
	}
	return nil
}

// checkTemplateMetadata looks for template_name and template_version. Whoever
// loads the template reports what is wrong with the YAML itself, so a file
// that cannot be parsed passes here.
func (a *Archive) checkTemplateMetadata() error {
	src, err := readBounded(a.fsys, a.entry, maxTemplate)
	if err != nil {
		return err
	}
	root, faults := yamlx.Parse(src, yamlx.Limits{Depth: 200, Nodes: 10_000_000})
	if root == nil || len(faults) > 0 {
		return nil
	}
	if v := root.Get("tosca_definitions_version"); v != nil && strings.HasPrefix(v.Text, "tosca_2") {
		return nil
	}
	meta := root.Get("metadata")
	line := root.Start.Line
	if meta != nil {
		line = meta.Start.Line
	}
	for _, key := range []string{"template_name", "template_version"} {
		if meta.Get(key).IsNull() {
			return faultAt(TemplateMetadata, a.entry, line, "an archive without TOSCA.meta needs %s in the template's metadata", key)
		}
	}
	return nil
}

// readBounded reads a file that must not be longer than a bound.
func readBounded(fsys fs.FS, name string, bound int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, bound+1))
	if err == nil && int64(len(src)) > bound {
		err = fault(FileSize, name, "the file is larger than %d bytes", bound)
	}
	return src, err
}
