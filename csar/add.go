package csar

import (
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// Add returns a view of the archive with more files in it: those of paths that
// it does not have and that from has, folders with everything in them. They are
// read at once, within the limits of the archive. It serves to store what a
// service template takes from elsewhere:
//
//	archive, err = archive.Add(template.External, template.UsedFiles())
//
// Where from is nil or there is nothing to add it returns a. The view takes a's
// place: its Close is that of a.
func (a *Archive) Add(from fs.FS, paths []string) (*Archive, error) {
	if from == nil {
		return a, nil
	}
	o := &overlay{base: a.files, data: map[string][]byte{}, dirs: map[string][]string{}}
	left := a.lim.TotalSize
	for _, p := range paths {
		if _, err := fs.Stat(a.fsys, p); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		err := fs.WalkDir(from, p, func(name string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() {
				return err
			}
			return o.add(from, name, a.lim, &left)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, within(err, "add to", a.name)
		}
	}
	if len(o.data) == 0 {
		return a, nil
	}
	for _, names := range o.dirs {
		slices.Sort(names)
	}
	view := *o
	view.base = a.fsys
	return &Archive{name: a.name, fsys: &view, files: o, entry: a.entry, meta: a.meta, others: a.others, lim: a.lim, close: a.close}, nil
}

// overlay is a file system with further files in it.
type overlay struct {
	base fs.FS
	data map[string][]byte
	// dirs are the folders above those files, with the names that they add.
	dirs map[string][]string
}

func (o *overlay) add(from fs.FS, name string, lim Limits, left *int64) error {
	if _, err := cleanName(name); err != nil {
		return err
	}
	f, err := from.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	bound := min(lim.FileSize, *left)
	src, err := io.ReadAll(io.LimitReader(f, bound+1))
	if err != nil {
		return err
	}
	if int64(len(src)) > bound {
		return fault(FileSize, name, "the file is larger than the limit of %d bytes", bound)
	}
	*left -= int64(len(src))
	o.data[name] = src
	for name != "." {
		dir, base := path.Dir(name), path.Base(name)
		if slices.Contains(o.dirs[dir], base) {
			break
		}
		o.dirs[dir] = append(o.dirs[dir], base)
		name = dir
	}
	return nil
}

// Open implements fs.FS.
func (o *overlay) Open(name string) (fs.File, error) {
	if src, ok := o.data[name]; ok {
		return &openAdded{Reader: strings.NewReader(string(src)), info: added{path.Base(name), int64(len(src)), 0o644}}, nil
	}
	if _, ok := o.dirs[name]; !ok {
		return o.base.Open(name)
	}
	info, err := o.Stat(name)
	if err != nil {
		return nil, err
	}
	entries, err := o.ReadDir(name)
	if err != nil {
		return nil, err
	}
	return &openFolder{info: info, name: name, entries: entries}, nil
}

// Stat implements fs.StatFS.
func (o *overlay) Stat(name string) (fs.FileInfo, error) {
	if src, ok := o.data[name]; ok {
		return added{path.Base(name), int64(len(src)), 0o644}, nil
	}
	info, err := fs.Stat(o.base, name)
	if _, ok := o.dirs[name]; ok && errors.Is(err, fs.ErrNotExist) {
		return added{path.Base(name), 0, fs.ModeDir | 0o755}, nil
	}
	return info, err
}

// ReadDir implements fs.ReadDirFS.
func (o *overlay) ReadDir(name string) ([]fs.DirEntry, error) {
	extra, ok := o.dirs[name]
	entries, err := fs.ReadDir(o.base, name)
	if err != nil && !(ok && errors.Is(err, fs.ErrNotExist)) {
		return nil, err
	}
	for _, child := range extra {
		if slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == child }) {
			continue // a folder that both have
		}
		info, err := o.Stat(path.Join(name, child))
		if err != nil {
			return nil, err
		}
		entries = append(entries, fs.FileInfoToDirEntry(info))
	}
	slices.SortFunc(entries, func(x, y fs.DirEntry) int { return strings.Compare(x.Name(), y.Name()) })
	return entries, nil
}

// openAdded is an added file that is read.
type openAdded struct {
	*strings.Reader
	info fs.FileInfo
}

func (f *openAdded) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openAdded) Close() error               { return nil }

// added tells of an added file or folder.
type added struct {
	name string
	size int64
	mode fs.FileMode
}

func (i added) Name() string       { return i.name }
func (i added) Size() int64        { return i.size }
func (i added) Mode() fs.FileMode  { return i.mode }
func (i added) ModTime() time.Time { return time.Time{} }
func (i added) IsDir() bool        { return i.mode.IsDir() }
func (i added) Sys() any           { return nil }
