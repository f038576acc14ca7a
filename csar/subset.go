package csar

import (
	"errors"
	"io/fs"
	"path"
	"slices"
)

// subset is a view of some files and folders of a file system.
type subset struct {
	fsys fs.FS
	// whole are the paths that are kept with everything below them, parents
	// the folders above those with the names kept in each, sorted.
	whole   map[string]bool
	parents map[string][]string
}

// newSubset keeps paths of fsys. All must be valid and exist.
func newSubset(fsys fs.FS, paths []string) (*subset, error) {
	s := &subset{fsys: fsys, whole: map[string]bool{}, parents: map[string][]string{".": nil}}
	for _, p := range paths {
		if !fs.ValidPath(p) {
			return nil, fault(BadName, p, "%q is not a path in the archive", p)
		}
		if _, err := fs.Stat(fsys, p); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fault(Missing, p, "the archive has no such file or folder")
			}
			return nil, err
		}
		s.whole[p] = true
	}
	for p := range s.whole {
		for ; p != "."; p = path.Dir(p) {
			dir, name := path.Split(p)
			dir = path.Clean(dir)
			if slices.Contains(s.parents[dir], name) {
				break
			}
			s.parents[dir] = append(s.parents[dir], name)
		}
	}
	for _, names := range s.parents {
		slices.Sort(names)
	}
	return s, nil
}

// kept tells whether a path is kept with everything below it.
func (s *subset) kept(name string) bool {
	for ; name != "."; name = path.Dir(name) {
		if s.whole[name] {
			return true
		}
	}
	return s.whole["."]
}

// look tells whether a path is kept whole, or else is a folder above such.
func (s *subset) look(op, name string) (whole bool, err error) {
	if !fs.ValidPath(name) {
		return false, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	if s.kept(name) {
		return true, nil
	}
	if _, ok := s.parents[name]; ok {
		return false, nil
	}
	return false, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
}

// Open implements fs.FS.
func (s *subset) Open(name string) (fs.File, error) {
	whole, err := s.look("open", name)
	if err != nil {
		return nil, err
	}
	if whole {
		return s.fsys.Open(name)
	}
	info, err := fs.Stat(s.fsys, name)
	if err != nil {
		return nil, err
	}
	entries, err := s.ReadDir(name)
	if err != nil {
		return nil, err
	}
	return &openFolder{info: info, name: name, entries: entries}, nil
}

// Stat implements fs.StatFS.
func (s *subset) Stat(name string) (fs.FileInfo, error) {
	if _, err := s.look("stat", name); err != nil {
		return nil, err
	}
	return fs.Stat(s.fsys, name)
}

// ReadFile implements fs.ReadFileFS.
func (s *subset) ReadFile(name string) ([]byte, error) {
	whole, err := s.look("read", name)
	if err != nil {
		return nil, err
	}
	if !whole {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a folder")}
	}
	return fs.ReadFile(s.fsys, name)
}

// ReadDir implements fs.ReadDirFS. Of a folder that is not kept whole it looks
// at the kept entries only.
func (s *subset) ReadDir(name string) ([]fs.DirEntry, error) {
	whole, err := s.look("readdir", name)
	if err != nil {
		return nil, err
	}
	if whole {
		return fs.ReadDir(s.fsys, name)
	}
	entries := make([]fs.DirEntry, 0, len(s.parents[name]))
	for _, child := range s.parents[name] {
		info, err := fs.Stat(s.fsys, path.Join(name, child))
		if err != nil {
			return nil, err
		}
		entries = append(entries, fs.FileInfoToDirEntry(info))
	}
	return entries, nil
}
