package tosca

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

// ImportsFolder is the folder in which Load shows files that come from outside
// of the file system it loads from: those of profiles under
// TOSCA-Imports/profiles/0 (the first of Options.Profiles) and so on, those of
// a URL such as https://example.org/a.yaml as
// TOSCA-Imports/https/example.org/a.yaml. ServiceTemplate.External holds them.
//
// An archive that has such a folder itself needs neither a search path nor the
// network: what lies there is used first.
const ImportsFolder = "TOSCA-Imports"

const profilesFolder = ImportsFolder + "/profiles"

// sources is the file system of one Load: the one that is loaded from, and in
// ImportsFolder what comes from elsewhere.
type sources struct {
	main  fs.FS
	roots []fs.FS
	fetch func(url string) ([]byte, error)
	lim   Limits
	// stored is how many search roots main has in its own ImportsFolder; -1
	// before it was looked at.
	stored int
	// keyname is that of Options.
	keyname func(construct, key string, level int)
	// versions are those of the files that were read, by name.
	versions map[string]*versionTable
	// used tells that something was looked for in roots.
	used    bool
	fetched map[string]*fetchedFile // by path
	// profiles are the indexes of the search roots, by path of the root.
	profiles map[string]*profileIndex
}

type fetchedFile struct {
	name string // the last element of the path
	data []byte
	err  error
}

func newSources(fsys fs.FS, opts *Options, lim Limits) *sources {
	return &sources{main: fsys, roots: opts.Profiles, fetch: opts.Fetch, keyname: opts.keyname, lim: lim, stored: -1,
		fetched: map[string]*fetchedFile{}, profiles: map[string]*profileIndex{}, versions: map[string]*versionTable{}}
}

// external returns what was read from elsewhere, or nil where all is in main.
// From then on nothing is fetched, and several goroutines may read it.
func (s *sources) external() fs.FS {
	if !s.used && len(s.fetched) == 0 {
		return nil
	}
	return &sources{main: nothing{}, roots: s.roots, lim: s.lim, stored: s.storedRoots(), fetched: s.fetched, used: true}
}

// nothing is an empty file system.
type nothing struct{}

func (nothing) Open(name string) (fs.File, error) {
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

// external tells whether a path is one of ImportsFolder.
func external(name string) bool { return strings.HasPrefix(name, ImportsFolder+"/") }

// locate returns the file system that a path lies in, with the path there; or
// what was fetched for it.
func (s *sources) locate(name string) (fsys fs.FS, rest string, file *fetchedFile) {
	if !external(name) {
		return s.main, name, nil
	}
	if sub, ok := strings.CutPrefix(name, profilesFolder+"/"); ok {
		number, rest, _ := strings.Cut(sub, "/")
		if i, err := strconv.Atoi(number); err == nil {
			if i -= s.storedRoots(); i >= 0 && i < len(s.roots) {
				if rest == "" {
					rest = "."
				}
				if !s.used { // what external returned is read by several at once
					s.used = true
				}
				return s.roots[i], rest, nil
			}
		}
		return s.main, name, nil
	}
	if f := s.fetched[name]; f != nil {
		return nil, "", f
	}
	if s.fetch == nil {
		return s.main, name, nil
	}
	if s.has(name) {
		return s.main, name, nil
	}
	u, ok := pathURL(name)
	if !ok {
		return s.main, name, nil
	}
	return nil, "", s.get(name, u)
}

// storedRoots counts the search roots that the archive itself has.
func (s *sources) storedRoots() int {
	if s.stored < 0 {
		s.stored = 0
		for s.has(profilesFolder + "/" + strconv.Itoa(s.stored)) {
			s.stored++
		}
	}
	return s.stored
}

// get fetches a file once.
func (s *sources) get(name, u string) *fetchedFile {
	f := &fetchedFile{name: path.Base(name)}
	s.fetched[name] = f
	if len(s.fetched) > s.lim.Imports {
		f.err = fmt.Errorf("more than %d files are fetched", s.lim.Imports)
		return f
	}
	if f.data, f.err = s.fetch(u); f.err == nil && int64(len(f.data)) > s.lim.FileSize {
		f.data, f.err = nil, fmt.Errorf("the file is larger than %d bytes", s.lim.FileSize)
	}
	return f
}

// Open implements fs.FS.
func (s *sources) Open(name string) (fs.File, error) {
	fsys, rest, f := s.locate(name)
	if f == nil {
		return fsys.Open(rest)
	}
	if f.err != nil {
		return nil, &fs.PathError{Op: "fetch", Path: name, Err: f.err}
	}
	return &openFetched{Reader: bytes.NewReader(f.data), info: f}, nil
}

// Stat implements fs.StatFS.
func (s *sources) Stat(name string) (fs.FileInfo, error) {
	fsys, rest, f := s.locate(name)
	if f == nil {
		return fs.Stat(fsys, rest)
	}
	if f.err != nil {
		return nil, &fs.PathError{Op: "fetch", Path: name, Err: f.err}
	}
	return f, nil
}

// ReadDir implements fs.ReadDirFS. Folders of URLs cannot be listed.
func (s *sources) ReadDir(name string) ([]fs.DirEntry, error) {
	fsys, rest, f := s.locate(name)
	if f != nil {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.ErrUnsupported}
	}
	return fs.ReadDir(fsys, rest)
}

// openFetched is a fetched file that is read.
type openFetched struct {
	*bytes.Reader
	info *fetchedFile
}

func (f *openFetched) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFetched) Close() error               { return nil }

var _ io.Reader = (*openFetched)(nil)

func (f *fetchedFile) Name() string       { return f.name }
func (f *fetchedFile) Size() int64        { return int64(len(f.data)) }
func (f *fetchedFile) Mode() fs.FileMode  { return 0o444 }
func (f *fetchedFile) ModTime() time.Time { return time.Time{} }
func (f *fetchedFile) IsDir() bool        { return false }
func (f *fetchedFile) Sys() any           { return nil }

// maxURL is how long a URL may be.
const maxURL = 2000

// scheme returns the scheme of a URL, in lower case, or "" for a path.
func scheme(s string) string {
	name, _, ok := strings.Cut(s, ":")
	if !ok || len(name) < 2 {
		return ""
	}
	for i, r := range name {
		letter := r|0x20 >= 'a' && r|0x20 <= 'z'
		if !letter && (i == 0 || (r < '0' || r > '9') && !strings.ContainsRune("+-.", r)) {
			return ""
		}
	}
	return strings.ToLower(name)
}

// isURL tells whether a file name is a URL with a scheme.
func isURL(s string) bool { return scheme(s) != "" }

// urlPath returns the path below ImportsFolder that stands for a URL.
func urlPath(text string) (string, error) {
	if len(text) > maxURL {
		return "", fmt.Errorf("it is longer than %d bytes", maxURL)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return "", errors.New("it cannot be parsed")
	case u.Host == "" || u.Opaque != "":
		return "", errors.New("it names no host")
	case u.User != nil:
		return "", errors.New("it holds a user name; let the program that fetches it log in")
	}
	file := u.EscapedPath()
	if u.RawQuery != "" {
		file += "?" + strings.ReplaceAll(u.RawQuery, "/", "%2F")
	}
	root := path.Join(ImportsFolder, strings.ToLower(u.Scheme), strings.ToLower(u.Host))
	return path.Join(root, path.Clean("/"+file)), nil
}

// reaches tells whether a path of a URL is in the archive or may be fetched.
func (s *sources) reaches(name string) bool {
	return s.fetch != nil || s.has(name)
}

// has tells whether the archive has a file or folder.
func (s *sources) has(name string) bool {
	_, err := fs.Stat(s.main, name)
	return err == nil
}

// pathURL is the reverse of urlPath.
func pathURL(name string) (string, bool) {
	rest, ok := strings.CutPrefix(name, ImportsFolder+"/")
	scheme, rest, _ := strings.Cut(rest, "/")
	return scheme + "://" + rest, ok && scheme != "profiles" && strings.Contains(rest, "/")
}

// hostFolder is the part of urlPath's result that stands for the host.
func hostFolder(name string) string {
	parts := strings.SplitN(name, "/", 4)
	return strings.Join(parts[:3], "/")
}
