package csar

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"
)

// tree is the files of an archive that was indexed whole: a file system.
type tree struct {
	nodes map[string]*node
	lim   Limits
}

// node is a file or folder of a tree. It is its own fs.FileInfo and
// fs.DirEntry.
type node struct {
	name     string
	mode     fs.FileMode
	size     int64
	modified time.Time
	children []fs.DirEntry // of a folder, sorted
	open     func() (io.ReadCloser, error)
	sum      [sha256.Size]byte
}

func newTree(lim Limits) *tree {
	return &tree{lim: lim, nodes: map[string]*node{".": {name: ".", mode: fs.ModeDir | 0o755}}}
}

// addFile enters a file under a name that a budget has accepted.
func (t *tree) addFile(name string, mode fs.FileMode, size int64, modified time.Time, open func() (io.ReadCloser, error)) {
	n := &node{name: path.Base(name), mode: filePerm(mode), size: size, modified: modified, open: open}
	t.nodes[name] = n
	t.attach(name, n)
}

// addFolder enters a folder and those above it.
func (t *tree) addFolder(name string) *node {
	if n, ok := t.nodes[name]; ok {
		return n
	}
	n := &node{name: path.Base(name), mode: fs.ModeDir | 0o755}
	t.nodes[name] = n
	t.attach(name, n)
	return n
}

func (t *tree) attach(name string, n *node) {
	parent := t.addFolder(path.Dir(name))
	parent.children = append(parent.children, n)
}

// seal sorts the folders and reads every file once: what cannot be read or is
// not as long as it says makes the archive unusable.
func (t *tree) seal() error {
	names := make([]string, 0, len(t.nodes))
	for name, n := range t.nodes {
		names = append(names, name)
		slices.SortFunc(n.children, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	}
	slices.Sort(names)
	buf := make([]byte, copyBuffer)
	for _, name := range names {
		n := t.nodes[name]
		if n.IsDir() {
			continue
		}
		r, err := n.reader(name)
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.CopyBuffer(h, onlyReader{r}, buf)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
		h.Sum(n.sum[:0])
	}
	return nil
}

// onlyReader and onlyWriter keep io.CopyBuffer to the buffer it is given.
type (
	onlyReader struct{ io.Reader }
	onlyWriter struct{ io.Writer }
)

// filePerm keeps of a mode only whether somebody may execute the file.
func filePerm(mode fs.FileMode) fs.FileMode {
	if mode&0o111 != 0 {
		return 0o755
	}
	return 0o644
}

func (n *node) Name() string               { return n.name }
func (n *node) Size() int64                { return n.size }
func (n *node) Mode() fs.FileMode          { return n.mode }
func (n *node) Type() fs.FileMode          { return n.mode.Type() }
func (n *node) ModTime() time.Time         { return n.modified }
func (n *node) IsDir() bool                { return n.mode.IsDir() }
func (n *node) Sys() any                   { return nil }
func (n *node) Info() (fs.FileInfo, error) { return n, nil }
func (n *node) String() string             { return fs.FormatFileInfo(n) }

// reader opens the contents and holds them to the size that was declared.
func (n *node) reader(name string) (io.ReadCloser, error) {
	r, err := n.open()
	if err != nil {
		return nil, contentFault(name, err)
	}
	return &exactReader{r: r, name: name, left: n.size, size: n.size}, nil
}

// exactReader gives exactly the declared number of bytes, else an error.
type exactReader struct {
	r          io.ReadCloser
	name       string
	left, size int64
}

func (e *exactReader) Read(p []byte) (int, error) {
	if int64(len(p)) > e.left+1 {
		p = p[:e.left+1] // one more, to see the end
	}
	n, err := e.r.Read(p)
	if int64(n) > e.left {
		return 0, fault(SizeLie, e.name, "the file is longer than the %d bytes that the archive declares", e.size)
	}
	e.left -= int64(n)
	switch {
	case err == io.EOF && e.left > 0:
		return n, fault(SizeLie, e.name, "the file has %d bytes, the archive declares %d", e.size-e.left, e.size)
	case err != nil && err != io.EOF:
		return n, contentFault(e.name, err)
	}
	return n, err
}

func (e *exactReader) Close() error { return e.r.Close() }

// Open implements fs.FS.
func (t *tree) Open(name string) (fs.File, error) {
	n, err := t.find("open", name)
	if err != nil {
		return nil, err
	}
	if n.IsDir() {
		return &openFolder{info: n, name: name, entries: n.children}, nil
	}
	r, err := n.reader(name)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: name, Err: err}
	}
	return &openFile{ReadCloser: r, node: n, name: name}, nil
}

// Stat implements fs.StatFS.
func (t *tree) Stat(name string) (fs.FileInfo, error) {
	n, err := t.find("stat", name)
	if err != nil {
		return nil, err
	}
	return n, nil
}

// ReadDir implements fs.ReadDirFS.
func (t *tree) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !n.IsDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errors.New("not a folder")}
	}
	return slices.Clone(n.children), nil
}

// ReadFile implements fs.ReadFileFS.
func (t *tree) ReadFile(name string) ([]byte, error) {
	n, err := t.find("read", name)
	if err != nil {
		return nil, err
	}
	if n.IsDir() {
		return nil, &fs.PathError{Op: "read", Path: name, Err: errors.New("is a folder")}
	}
	r, err := n.reader(name)
	if err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	defer r.Close()
	var b bytes.Buffer
	b.Grow(int(n.size) + bytes.MinRead) // checked when the archive was opened
	if _, err := b.ReadFrom(r); err != nil {
		return nil, &fs.PathError{Op: "read", Path: name, Err: err}
	}
	return b.Bytes(), nil
}

func (t *tree) find(op, name string) (*node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	n, ok := t.nodes[name]
	if !ok {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return n, nil
}

func (t *tree) sumOf(name string) ([sha256.Size]byte, bool) {
	n, ok := t.nodes[name]
	if !ok || n.IsDir() {
		return [sha256.Size]byte{}, false
	}
	return n.sum, true
}

// openFile is an open file of a tree.
type openFile struct {
	io.ReadCloser
	node *node
	name string
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.node, nil }

func (f *openFile) Read(p []byte) (int, error) {
	n, err := f.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		err = &fs.PathError{Op: "read", Path: f.name, Err: err}
	}
	return n, err
}

// openFolder is an open folder of any view: its entries are known.
type openFolder struct {
	info    fs.FileInfo
	name    string
	entries []fs.DirEntry
	offset  int
}

func (f *openFolder) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFolder) Close() error               { return nil }

func (f *openFolder) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: f.name, Err: errors.New("is a folder")}
}

// ReadDir implements fs.ReadDirFile.
func (f *openFolder) ReadDir(count int) ([]fs.DirEntry, error) {
	rest := f.entries[f.offset:]
	if count > 0 {
		if len(rest) == 0 {
			return nil, io.EOF
		}
		rest = rest[:min(count, len(rest))]
	}
	f.offset += len(rest)
	return slices.Clone(rest), nil
}
