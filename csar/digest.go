package csar

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Digest returns the digest of the content, "sha256:" and 64 hexadecimal
// digits. It is the SHA-256 of a list of the files in byte order of their
// paths, a line each: the SHA-256 of the contents, two spaces, the path (the
// list that the program sha256sum prints). Empty folders, times and
// permissions do not count, and neither does the form of the archive. The
// digest of a lone YAML file covers that file; a Subset adds what it uses.
//
// An archive file was read when it was opened, a folder is read now.
func (a *Archive) Digest() (string, error) {
	list := sha256.New()
	buf := make([]byte, copyBuffer)
	err := a.walk(func(name string, info fs.FileInfo) error {
		if info.IsDir() {
			return nil
		}
		sum, err := a.sum(name, buf)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(list, "%x  %s\n", sum, name)
		return err
	})
	if err != nil {
		return "", within(err, "digest", a.name)
	}
	return "sha256:" + hex.EncodeToString(list.Sum(nil)), nil
}

// sum returns the SHA-256 of a file.
func (a *Archive) sum(name string, buf []byte) (sum [sha256.Size]byte, err error) {
	if t, ok := underlying(a.files).(*tree); ok {
		if sum, ok := t.sumOf(name); ok {
			return sum, nil
		}
	}
	h := sha256.New()
	if err := copyFile(h, a.files, name, a.lim, buf); err != nil {
		return sum, err
	}
	h.Sum(sum[:0])
	return sum, nil
}

func underlying(fsys fs.FS) fs.FS {
	for {
		s, ok := fsys.(*subset)
		if !ok {
			return fsys
		}
		fsys = s.fsys
	}
}

// copyBuffer is the size of the buffer that copyFile is given.
const copyBuffer = 64 << 10

// copyFile writes the contents of a file, within the limits.
func copyFile(w io.Writer, fsys fs.FS, name string, lim Limits, buf []byte) error {
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := io.CopyBuffer(onlyWriter{w}, io.LimitReader(f, lim.FileSize+1), buf)
	if err == nil && n > lim.FileSize {
		err = fault(FileSize, name, "the file is larger than the limit of %d bytes", lim.FileSize)
	}
	return err
}

// Subset returns a view of only some files and folders, these with everything
// in them: what a template uses. Paths are slash-separated and relative to the
// root. The service template, TOSCA.meta and the definitions that it names are
// always kept, so that the view is an archive. It ends with a; its own Close
// does nothing.
func (a *Archive) Subset(paths []string) (*Archive, error) {
	keep := []string{a.entry}
	if a.meta.File != "" {
		keep = append(keep, a.meta.File)
	}
	keep = append(keep, a.others...)
	for _, p := range paths {
		keep = append(keep, path.Clean(p))
	}
	files, err := newSubset(a.fsys, keep)
	if err != nil {
		return nil, within(err, "narrow", a.name)
	}
	return &Archive{name: a.name, fsys: files, files: files, entry: a.entry, meta: a.meta, others: a.others, lim: a.lim}, nil
}

// walk visits the files and folders of the content, a folder before what is in
// it, files in byte order of their paths. It holds them to the rules for archive
// files, since that is what they are for.
func (a *Archive) walk(visit func(name string, info fs.FileInfo) error) error {
	w := walker{fsys: a.files, budget: newBudget(a.lim), visit: visit}
	root, err := fs.Stat(a.files, ".")
	if err != nil {
		return err
	}
	return w.folder(".", []fs.FileInfo{root})
}

type walker struct {
	fsys   fs.FS
	budget *budget
	visit  func(string, fs.FileInfo) error
}

// folder visits what is in a folder. Above are the folders that lead to it.
func (w *walker) folder(dir string, above []fs.FileInfo) error {
	entries, err := fs.ReadDir(w.fsys, dir)
	if err != nil {
		return err
	}
	// Order of paths, not of names: "a.b" comes before what is in "a".
	slices.SortFunc(entries, func(x, y fs.DirEntry) int { return strings.Compare(sortName(x), sortName(y)) })
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		if _, err := cleanName(name); err != nil {
			return err
		}
		if err := checkType(name, e.Type()); err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if !info.IsDir() {
			if err := w.budget.file(name, info.Size()); err != nil {
				return err
			}
			if err := w.visit(name, info); err != nil {
				return err
			}
			continue
		}
		if err := w.subfolder(name, info, above); err != nil {
			return err
		}
	}
	return nil
}

func (w *walker) subfolder(name string, info fs.FileInfo, above []fs.FileInfo) error {
	if err := w.budget.folder(name); err != nil {
		return err
	}
	for _, up := range above {
		if sameFile(info, up) {
			return fault(LinkCycle, name, "the link leads back to a folder above it")
		}
	}
	if err := w.visit(name, info); err != nil {
		return err
	}
	return w.folder(name, append(slices.Clip(above), info))
}

// sortName is the name that gives the order of paths when it is compared.
func sortName(e fs.DirEntry) string {
	if e.IsDir() {
		return e.Name() + "/"
	}
	return e.Name()
}

// sameFile is os.SameFile for information under another name.
func sameFile(a, b fs.FileInfo) bool { return os.SameFile(unnamed(a), unnamed(b)) }

func unnamed(info fs.FileInfo) fs.FileInfo {
	if n, ok := info.(named); ok {
		return n.FileInfo
	}
	return info
}
