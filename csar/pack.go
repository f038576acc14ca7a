package csar

import (
	"archive/zip"
	"compress/flate"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// PackOptions say how Pack writes an archive. The zero value will do.
type PackOptions struct {
	// CreatedBy is what a new TOSCA.meta says. Default "orchestrator".
	CreatedBy string
	// NoMeta leaves an archive without TOSCA.meta as it is, so that its digest
	// stays the same. It is opened again with Options.Entry.
	NoMeta bool
}

// packTime is the time of every file in a packed archive: the first that a zip
// can hold.
var packTime = time.Date(1980, 1, 1, 0, 0, 0, 0, time.UTC)

// Pack writes the content of an archive as a zip: what Digest covers, in byte
// order of the paths, deflated, without times, of the permissions only whether
// a file may be executed. The same content gives the same bytes (with the same
// release of Go, whose compressor may change). Empty folders are left out.
//
// What Pack writes can be opened with the default limits: a file that deflate
// would shrink to a bomb, such as a disk image of zeros, is stored as it is.
//
// Where TOSCA.meta is missing, TOSCA-Metadata/TOSCA.meta of version 1.1 is
// added, which names a's Entry. Options may be nil.
func Pack(w io.Writer, a *Archive, opts *PackOptions) error {
	var o PackOptions
	if opts != nil {
		o = *opts
	}
	return within(pack(w, a, o), "pack", a.name)
}

// packed is a file that goes into a zip; data stands for its contents where
// it is not nil.
type packed struct {
	name string
	mode fs.FileMode
	size int64
	data []byte
}

func pack(w io.Writer, a *Archive, opts PackOptions) error {
	var files []packed
	err := a.walk(func(name string, info fs.FileInfo) error {
		if !info.IsDir() {
			files = append(files, packed{name: name, mode: filePerm(info.Mode()), size: info.Size()})
		}
		return nil
	})
	if err != nil {
		return err
	}
	if a.meta.File == "" && !opts.NoMeta {
		if files, err = addMeta(files, a.entry, opts.CreatedBy); err != nil {
			return err
		}
	}
	slices.SortFunc(files, func(x, y packed) int { return strings.Compare(x.name, y.name) })
	z := zip.NewWriter(w)
	buf := make([]byte, copyBuffer)
	for _, f := range files {
		if err := a.packFile(z, f, buf); err != nil {
			return err
		}
	}
	return z.Close()
}

func (a *Archive) packFile(z *zip.Writer, f packed, buf []byte) error {
	h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: packTime}
	h.SetMode(f.mode)
	if f.size > ratioFree {
		bomb, err := a.deflatesToBomb(f, buf)
		if err != nil {
			return err
		}
		if bomb {
			h.Method = zip.Store
		}
	}
	out, err := z.CreateHeader(h)
	if err != nil {
		return err
	}
	if f.data != nil {
		_, err = out.Write(f.data)
		return err
	}
	return copyFile(out, a.files, f.name, a.lim, buf)
}

// deflatesToBomb compresses a file for trial, until it is clear that it does
// not shrink too much: of most files that is the first bytes.
func (a *Archive) deflatesToBomb(f packed, buf []byte) (bool, error) {
	enough := &upTo{left: f.size / defaultRatio}
	w, err := flate.NewWriter(enough, 5) // the level of archive/zip
	if err != nil {
		return false, err
	}
	err = errors.Join(copyFile(w, a.files, f.name, a.lim, buf), w.Close())
	if errors.Is(err, errEnough) {
		return false, nil
	}
	return true, err
}

var errEnough = errors.New("enough was written")

// upTo takes so many bytes and fails when there are more.
type upTo struct{ left int64 }

func (u *upTo) Write(p []byte) (int, error) {
	if u.left -= int64(len(p)); u.left < 0 {
		return 0, errEnough
	}
	return len(p), nil
}

func addMeta(files []packed, entry, createdBy string) ([]packed, error) {
	for _, f := range files {
		dir, _, _ := strings.Cut(f.name, "/")
		if want := path.Dir(metaFile); fold(f.name) == fold(metaFile) || dir != want && fold(dir) == fold(want) || f.name == want {
			return nil, fault(CaseTwin, f.name, "the file stands in the way of %s", metaFile)
		}
	}
	if createdBy == "" {
		createdBy = "orchestrator"
	}
	data, err := newMeta(createdBy, entry)
	if err != nil {
		return nil, err
	}
	return append(files, packed{name: metaFile, mode: 0o644, data: data}), nil
}

// Unpack writes the content of an archive below a folder, which is made where
// it is missing and must be empty. Files get the permissions 0644, or 0755
// where they may be executed. Nothing is written outside the folder and nothing
// is overwritten. After an error what was written is removed.
func Unpack(a *Archive, dir string) error {
	return within(unpack(a, dir), "unpack", a.name)
}

func unpack(a *Archive, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	there, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return err
	}
	if len(there) > 0 {
		return fault(NotEmpty, "", "the folder %s is not empty: it has %s", dir, there[0].Name())
	}
	var made []string // at the top of the folder
	buf := make([]byte, copyBuffer)
	err = a.walk(func(name string, info fs.FileInfo) (err error) {
		if info.IsDir() {
			err = root.Mkdir(name, 0o755)
		} else {
			err = a.extract(root, name, filePerm(info.Mode()), buf)
		}
		// What was there is somebody else's.
		if !strings.Contains(name, "/") && !errors.Is(err, fs.ErrExist) {
			made = append(made, name)
		}
		return err
	})
	if err != nil {
		for _, name := range made {
			err = errors.Join(err, root.RemoveAll(name))
		}
	}
	return err
}

func (a *Archive) extract(root *os.Root, name string, mode fs.FileMode, buf []byte) error {
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	return errors.Join(copyFile(out, a.files, name, a.lim, buf), out.Close())
}
