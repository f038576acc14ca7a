package csar

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// folder is a folder on disk as a file system. Nothing is read before it is
// asked for, and nothing outside the root is reached (os.Root). Links inside
// are followed, so that the view itself has none.
type folder struct{ root *os.Root }

// Open implements fs.FS.
func (d folder) Open(name string) (fs.File, error) {
	info, err := d.stat("open", name)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		entries, err := d.ReadDir(name)
		if err != nil {
			return nil, err
		}
		return &openFolder{info: info, name: name, entries: entries}, nil
	}
	// Opening a pipe would wait for its writer.
	if !info.Mode().IsRegular() {
		err := fault(SpecialFile, name, "no file or folder (%v)", info.Mode().Type())
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, folderFault("open", name, err)
	}
	return &folderFile{f, info}, nil
}

// folderFile shows of an open file what reads.
type folderFile struct {
	f    *os.File
	info fs.FileInfo
}

func (f *folderFile) Read(p []byte) (int, error)                { return f.f.Read(p) }
func (f *folderFile) ReadAt(p []byte, off int64) (int, error)   { return f.f.ReadAt(p, off) }
func (f *folderFile) Seek(off int64, whence int) (int64, error) { return f.f.Seek(off, whence) }
func (f *folderFile) Stat() (fs.FileInfo, error)                { return f.info, nil }
func (f *folderFile) Close() error                              { return f.f.Close() }

// Stat implements fs.StatFS. It tells of what a link leads to.
func (d folder) Stat(name string) (fs.FileInfo, error) { return d.stat("stat", name) }

func (d folder) stat(op, name string) (fs.FileInfo, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	info, err := d.root.Stat(name)
	if err != nil {
		return nil, folderFault(op, name, err)
	}
	return named{info, path.Base(name)}, nil
}

// named is a file's information under the name that was asked for.
type named struct {
	fs.FileInfo
	name string
}

func (n named) Name() string { return n.name }

// ReadDir implements fs.ReadDirFS. A link is shown as what it leads to; one
// that leads nowhere or leaves the folder stays a link, and cannot be opened.
func (d folder) ReadDir(name string) ([]fs.DirEntry, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	entries, err := fs.ReadDir(d.root.FS(), name)
	if err != nil {
		return nil, folderFault("readdir", name, err)
	}
	for i, e := range entries {
		if e.Type()&fs.ModeSymlink == 0 {
			continue
		}
		if info, err := d.Stat(path.Join(name, e.Name())); err == nil {
			entries[i] = fs.FileInfoToDirEntry(info)
		}
	}
	return entries, nil
}

// ReadFile implements fs.ReadFileFS.
func (d folder) ReadFile(name string) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// folderFault names the path and, where os.Root refused to leave the root
// (whose error has no number and no exported value), the reason.
func folderFault(op, name string, err error) error {
	if pe, ok := errors.AsType[*fs.PathError](err); ok {
		err = pe.Err
	}
	if errors.Is(err, syscall.ENOTDIR) && op != "readdir" {
		err = fs.ErrNotExist // a file in the middle of the path, as in the other forms
	}
	_, numbered := errors.AsType[syscall.Errno](err)
	known := errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrClosed) || errors.Is(err, fs.ErrInvalid)
	if !numbered && !known {
		err = fault(Link, name, "the path has a link in it that leaves the folder, or is absolute (%w)", err)
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}
