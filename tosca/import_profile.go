package tosca

import (
	"bytes"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
	"github.com/seed-a4fd30b5/orchestrator/tosca/profile"
)

// profileNamed returns the profile that an import names: from the search
// roots, else a built-in one.
//
// Source: TOSCA 2.0 section 6.8.2.1.
func (r *reader) profileNamed(d *document, n *yamlx.Node) *document {
	name := d.text(n, "the profile")
	if name == "" {
		return nil
	}
	for i := range r.src.storedRoots() + len(r.src.roots) {
		root := profilesFolder + "/" + strconv.Itoa(i)
		files := r.src.profileFiles(root, name)
		switch len(files) {
		case 0:
			continue
		case 1:
		default:
			d.errorf(codeUnknownProfile, n, "several files say that they are the profile %q: %s", name, strings.Join(files, ", ")).Detail =
				"Call the one that imports the others profile.yaml."
			return nil
		}
		return r.open(path.Join(root, files[0]), d, n, root)
	}
	if p := builtinProfile(name); p != nil {
		return p
	}
	known := profile.Names()
	for _, index := range r.src.profiles {
		known = append(known, sortedKeys(index.files)...)
	}
	dia := d.errorf(codeUnknownProfile, n, "there is no profile %q", name)
	dia.Suggestion = nearest(name, known)
	dia.Detail = "Built in are " + strings.Join(profile.Names(), ", ") + ". Others are found in the folders of a search path."
	dia.Section = "TOSCA 2.0 section 6.8.2.1"
	return nil
}

// profileIndex are the profiles of a search root by name, each with its files.
type profileIndex struct{ files map[string][]string }

// maxProfileEntries is how many files and folders of a search root are looked at.
const maxProfileEntries = 100_000

// profileFiles returns the files of a search root that are the profile of a
// name: the one at the place where it is looked for first, else all that have
// the keyname "profile" with that name, or the one called profile.yaml of them.
func (s *sources) profileFiles(root, name string) []string {
	for _, file := range profilePlaces(name) {
		if fs.ValidPath(file) && s.profileOf(path.Join(root, file)) == name {
			return []string{file}
		}
	}
	index := s.profiles[root]
	if index == nil {
		index = s.indexProfiles(root)
		s.profiles[root] = index
	}
	files := index.files[name]
	var main []string
	for _, f := range files {
		if base := path.Base(f); base == "profile.yaml" || base == "profile.yml" {
			main = append(main, f)
		}
	}
	if len(main) == 1 {
		return main
	}
	return files
}

// profilePlaces are where a profile is looked for before all files are
// scanned: "org.example:1.0" in org/example/1.0/profile.yaml,
// org.example/1.0/profile.yaml, org.example.yaml and org.example.
func profilePlaces(name string) []string {
	base, version, _ := strings.Cut(name, ":")
	return []string{
		path.Join(strings.ReplaceAll(base, ".", "/"), version, "profile.yaml"),
		path.Join(base, version, "profile.yaml"),
		base + ".yaml",
		base,
	}
}

func (s *sources) indexProfiles(root string) *profileIndex {
	index := &profileIndex{files: map[string][]string{}}
	entries := 0
	// What cannot be read is left out: whoever asks for it is told that the
	// profile is unknown.
	_ = fs.WalkDir(s, root, func(name string, e fs.DirEntry, err error) error {
		if entries++; entries > maxProfileEntries {
			return fs.SkipAll
		}
		switch {
		case err != nil:
			return fs.SkipDir
		case e.IsDir():
			if name != root && strings.HasPrefix(e.Name(), ".") {
				return fs.SkipDir
			}
			return nil
		}
		if ext := path.Ext(name); ext != ".yaml" && ext != ".yml" {
			return nil
		}
		if profile := s.profileOf(name); profile != "" {
			index.files[profile] = append(index.files[profile], strings.TrimPrefix(name, root+"/"))
		}
		return nil
	})
	return index
}

// profileOf returns the value of the keyname "profile" of a file, or "". It
// looks for the line instead of parsing the file.
func (s *sources) profileOf(name string) string {
	f, err := s.Open(name)
	if err != nil {
		return ""
	}
	defer f.Close()
	src, err := io.ReadAll(io.LimitReader(f, s.lim.FileSize))
	if err != nil {
		return ""
	}
	const key = "profile:"
	at := 0
	if !bytes.HasPrefix(src, []byte(key)) {
		i := bytes.Index(src, []byte("\n"+key))
		if i < 0 {
			return ""
		}
		at = i + 1
	}
	line, _, _ := bytes.Cut(src[at:], []byte("\n"))
	root, _ := yamlx.Parse(line, yamlx.Limits{Depth: 3, Nodes: 10})
	return prose(root.Get("profile"))
}
