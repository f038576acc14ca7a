package hpc

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// copies is how many files are copied at the same time.
const copies = 4

// source is a file to copy to a cluster.
type source struct {
	files  fs.FS
	name   string // in files
	target string // absolute, on the cluster
	size   int64
	mode   fs.FileMode
}

// stageIn copies files to the job's work directory: those that are not there
// whole already, from where an earlier copy stopped. Checksums are compared at
// the end.
func (d *Driver) stageIn(ctx context.Context, c *cluster, op *executor.Operation, j *job) error {
	var all []source
	var empty []string
	for _, t := range j.in {
		found, folders, err := d.sources(op, t, c.dir(op))
		if err != nil {
			return err
		}
		all, empty = append(all, found...), append(empty, folders...)
	}
	if err := c.makeFolders(ctx, empty); err != nil {
		return err
	}
	if len(all) == 0 {
		return nil
	}
	there, err := c.sums(ctx, all)
	if err != nil {
		return err
	}
	var done atomic.Int64
	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(copies)
	for i, s := range all {
		group.Go(func() error {
			if err := c.upload(groupCtx, s, there[i]); err != nil {
				return err
			}
			fmt.Fprintf(op.Log, "staged in %s, %d bytes (%d of %d)\n", s.name, s.size, done.Add(1), len(all))
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return c.verify(ctx, all)
}

// makeFolders makes folders that no file is copied to.
func (c *cluster) makeFolders(ctx context.Context, folders []string) error {
	if len(folders) == 0 {
		return nil
	}
	r, err := c.shell.Run(ctx, Command{Args: []string{"xargs", "-0", "mkdir", "-p", "--"}, Stdin: []byte(strings.Join(folders, "\x00"))})
	if err == nil && r.Code != 0 {
		err = errs.New(errs.FailedPrecondition, "make the folders on", c.shell.Name(), "%s", words(r))
	}
	return err
}

// sources finds the files of a transfer, and the folders without any.
func (d *Driver) sources(op *executor.Operation, t Transfer, dir string) (found []source, empty []string, err error) {
	files, name := op.Files, inArchive(op, t.Source)
	if local, ok := strings.CutPrefix(t.Source, "file:"); ok {
		if d.config.Sources == "" {
			return nil, nil, &errs.Error{Code: errs.PermissionDenied, Op: "stage in", Subject: t.Source,
				Err: fmt.Errorf("files of this machine are not allowed"), Hint: "Config.Sources names the folder that may be copied from"}
		}
		files, name = os.DirFS(d.config.Sources), path.Clean(strings.TrimPrefix(local, "/"))
		resolved, err := filepath.EvalSymlinks(filepath.Join(d.config.Sources, filepath.FromSlash(name)))
		root, rootErr := filepath.EvalSymlinks(d.config.Sources)
		if rel, relErr := filepath.Rel(root, resolved); err == nil && (rootErr != nil || relErr != nil || !filepath.IsLocal(rel)) {
			return nil, nil, errs.New(errs.PermissionDenied, "stage in", t.Source, "it lies outside of %s", d.config.Sources)
		}
	}
	if files == nil || !fs.ValidPath(name) {
		return nil, nil, errs.New(errs.InvalidArgument, "stage in", t.Source, "it is no path in the archive")
	}
	target := t.Target
	if target == "" {
		target = path.Base(name)
	}
	place := func(p string) string {
		return path.Join(dir, target, strings.TrimPrefix(strings.TrimPrefix(p, name), "/"))
	}
	err = fs.WalkDir(files, name, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() {
			if inside, err := fs.ReadDir(files, p); err == nil && len(inside) == 0 {
				empty = append(empty, place(p))
			}
			return nil
		}
		info, err := fs.Stat(files, p)
		if err != nil {
			return err
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("%s is no ordinary file", p)
		}
		mode := fs.FileMode(0o644)
		if info.Mode()&0o111 != 0 {
			mode = 0o755
		}
		found = append(found, source{files: files, name: p, target: place(p), size: info.Size(), mode: mode})
		return nil
	})
	if err != nil {
		return nil, nil, &errs.Error{Code: errs.InvalidArgument, Op: "stage in", Subject: t.Source, Err: err,
			Hint: "declare it as an artifact of the node: only those are kept with the deployment"}
	}
	return found, empty, nil
}

// sum is the size and SHA-256 of a file on a cluster; the zero value for none.
type sum struct {
	size int64
	hash string
}

const sumsProgram = `xargs -0 sh -c 'for file; do
	if [ -f "$file" ]; then printf "%s %s\n" "$(wc -c <"$file" | tr -d " ")" "$(sha256sum <"$file" | cut -d " " -f 1)"; else echo; fi
done' sh`

// sums returns those of the targets, in their order.
func (c *cluster) sums(ctx context.Context, all []source) ([]sum, error) {
	var in strings.Builder
	for _, s := range all {
		in.WriteString(s.target + "\x00")
	}
	r, err := c.shell.Run(ctx, Command{Args: []string{"sh", "-c", sumsProgram}, Stdin: []byte(in.String())})
	if err != nil {
		return nil, err
	}
	lines := strings.Split(strings.TrimSuffix(string(r.Stdout), "\n"), "\n")
	if len(lines) != len(all) {
		return nil, errs.New(errs.FailedPrecondition, "compute checksums on", c.shell.Name(), "%s", words(r))
	}
	found := make([]sum, len(all))
	for i, line := range lines {
		size, hash, ok := strings.Cut(line, " ")
		if n, err := strconv.ParseInt(size, 10, 64); ok && err == nil {
			found[i] = sum{n, hash}
		}
	}
	return found, nil
}

// hashOf is the SHA-256 of the first limit bytes of a source.
func (s source) hashOf(limit int64) (string, error) {
	f, err := s.files.Open(s.name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.CopyN(h, f, limit); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// upload copies a file, behind what is there already and is the same.
func (c *cluster) upload(ctx context.Context, s source, there sum) error {
	from := int64(0)
	if there.size > 0 && there.size <= s.size {
		if hash, err := s.hashOf(there.size); err == nil && hash == there.hash {
			if from = there.size; from == s.size {
				return nil
			}
		}
	}
	f, err := s.files.Open(s.name)
	if err != nil {
		return &errs.Error{Code: errs.InvalidArgument, Op: "stage in", Subject: s.name, Err: err}
	}
	defer f.Close()
	if _, err := io.CopyN(io.Discard, f, from); err != nil {
		return &errs.Error{Code: errs.InvalidArgument, Op: "stage in", Subject: s.name, Err: err}
	}
	return errs.Wrap(c.shell.WriteFrom(ctx, s.target, from, f, s.mode), "stage in", s.name)
}

// verify compares the checksums of what was copied.
func (c *cluster) verify(ctx context.Context, all []source) error {
	there, err := c.sums(ctx, all)
	if err != nil {
		return err
	}
	for i, s := range all {
		hash, err := s.hashOf(s.size)
		if err != nil {
			return &errs.Error{Code: errs.InvalidArgument, Op: "stage in", Subject: s.name, Err: err}
		}
		if there[i] != (sum{s.size, hash}) {
			return executor.MarkRetryable(errs.New(errs.Unavailable, "stage in", s.name, "the copy on %s differs: %d bytes of %d", c.shell.Name(), there[i].size, s.size))
		}
	}
	return nil
}

// resultsProgram expands patterns in a folder, which the shell does without
// running anything in them, and prints files: size, SHA-256 and path, each ended
// by a byte of value 0. A link to a file counts as that file.
const resultsProgram = `cd -- "$1" || exit 1
shift
IFS=
for pattern; do
	for name in $pattern; do
		[ -e "$name" ] || continue
		find -H "./$name" \( -type f -o -type l \) -exec sh -c 'for file; do [ ! -f "$file" ] || printf "%s %s %s\0" "$(wc -c <"$file" | tr -d " ")" "$(sha256sum <"$file" | cut -d " " -f 1)" "$file"; done' sh {} +
	done
done`

// result is a file to fetch.
type result struct {
	sum
	name string // in the work directory
}

// stageOut fetches the results of a job and returns their paths on this machine.
func (d *Driver) stageOut(ctx context.Context, c *cluster, w *watched) ([]string, error) {
	var paths []string
	for _, t := range w.data.Out {
		found, err := c.results(ctx, w.data.Dir, t.Source)
		if err != nil {
			return paths, err
		}
		if len(found) == 0 {
			return paths, &errs.Error{Code: errs.FailedPrecondition, Op: "fetch", Subject: t.Source + " of job " + w.id,
				Err: fmt.Errorf("there is no such file"), Hint: "look into " + w.data.Dir}
		}
		folder := t.Target
		if folder == "" {
			folder = safeName(w.data.Name)
		}
		local := filepath.Join(w.data.Results, filepath.FromSlash(folder))
		if err := d.fetchAll(ctx, c, w, local, found); err != nil {
			return paths, err
		}
		for _, f := range found {
			absolute, err := filepath.Abs(filepath.Join(local, filepath.FromSlash(f.name)))
			if err != nil {
				return paths, err
			}
			paths = append(paths, absolute)
		}
	}
	return paths, nil
}

// results lists the files that a pattern stands for.
func (c *cluster) results(ctx context.Context, dir, pattern string) ([]result, error) {
	r, err := c.shell.Run(ctx, Command{Args: []string{"sh", "-c", resultsProgram, "sh", dir, path.Clean(pattern)}})
	if err != nil {
		return nil, err
	}
	if r.Code != 0 {
		return nil, errs.New(errs.FailedPrecondition, "look for", pattern, "%s", words(r))
	}
	var found []result
	for item := range bytes.SplitSeq(r.Stdout, []byte{0}) {
		fields := strings.SplitN(string(item), " ", 3)
		if len(fields) != 3 {
			continue
		}
		name := path.Clean(fields[2])
		size, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil || !fs.ValidPath(name) {
			return nil, errs.New(errs.FailedPrecondition, "look for", pattern, "the cluster says %q", item)
		}
		found = append(found, result{sum{size, fields[1]}, name})
	}
	return found, nil
}

func (d *Driver) fetchAll(ctx context.Context, c *cluster, w *watched, local string, found []result) error {
	if err := os.MkdirAll(local, 0o755); err != nil {
		return errs.Wrap(err, "make", local)
	}
	root, err := os.OpenRoot(local) // nothing is written outside, whatever the names
	if err != nil {
		return errs.Wrap(err, "open", local)
	}
	defer root.Close()
	var done atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(copies)
	for _, f := range found {
		group.Go(func() error {
			if err := c.fetch(ctx, root, w.data.Dir, f); err != nil {
				return errs.Wrap(err, "fetch", f.name)
			}
			if w.watch.log != nil {
				fmt.Fprintf(w.watch.log, "fetched %s, %d bytes (%d of %d)\n", f.name, f.size, done.Add(1), len(found))
			}
			return nil
		})
	}
	return group.Wait()
}

// fetch copies one file, behind what an earlier try has copied.
func (c *cluster) fetch(ctx context.Context, root *os.Root, dir string, f result) error {
	if same, err := hashOfLocal(root, f.name); err == nil && same == f.sum {
		return nil
	}
	if err := root.MkdirAll(path.Dir(f.name), 0o755); err != nil {
		return err
	}
	part := f.name + ".part"
	for try := 0; ; try++ {
		if err := c.fetchPart(ctx, root, path.Join(dir, f.name), part, f.size); err != nil {
			return err
		}
		got, err := hashOfLocal(root, part)
		if err != nil {
			return err
		}
		if got == f.sum {
			return root.Rename(part, f.name)
		}
		if err := root.Remove(part); err != nil || try > 0 {
			return errs.New(errs.Unavailable, "compare", f.name, "the copy differs: %d bytes of %d", got.size, f.size)
		}
	}
}

func (c *cluster) fetchPart(ctx context.Context, root *os.Root, from, part string, size int64) error {
	to, err := root.OpenFile(part, os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer to.Close()
	offset, err := to.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if offset > size {
		if err := to.Truncate(0); err != nil {
			return err
		}
		if offset, err = to.Seek(0, io.SeekStart); err != nil {
			return err
		}
	}
	if offset < size {
		if _, err := c.shell.ReadAt(ctx, from, offset, size-offset, to); err != nil {
			return err
		}
	}
	return to.Sync()
}

func hashOfLocal(root *os.Root, name string) (sum, error) {
	f, err := root.Open(name)
	if err != nil {
		return sum{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return sum{n, hex.EncodeToString(h.Sum(nil))}, err
}
