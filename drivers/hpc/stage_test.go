package hpc_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// wire counts what goes over a driver's connections, and cuts one when so many
// bytes have gone in a direction; 0 for never.
type wire struct {
	sent, received       atomic.Int64
	cutSent, cutReceived atomic.Int64
	cuts                 atomic.Int64
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wireConn{conn, w}, nil
}

type wireConn struct {
	net.Conn
	wire *wire
}

func (c *wireConn) count(n int, total, limit *atomic.Int64) {
	if at := limit.Load(); total.Add(int64(n)) > at && at > 0 && limit.CompareAndSwap(at, 0) {
		c.wire.cuts.Add(1)
		_ = c.Close()
	}
}

func (c *wireConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.count(n, &c.wire.sent, &c.wire.cutSent)
	return n, err
}

func (c *wireConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.count(n, &c.wire.received, &c.wire.cutReceived)
	return n, err
}

// overWire is a driver over a fakeManager on a host behind a real sshd.
func overWire(t *testing.T, w *wire) (*fake, *executor.Operation) {
	t.Helper()
	server := lab.SSHD(t, lab.SSHDOptions{})
	m := &fakeManager{jobs: map[string]*hpc.Job{}}
	dir := t.TempDir()
	d := hpc.New(hpc.Config{Results: filepath.Join(dir, "results"), MinPeriod: time.Millisecond, MaxPeriod: 2 * time.Millisecond, SubmitPatience: 2 * time.Minute,
		Transport: transport.Config{KeyFiles: []string{server.KeyFile}, KnownHosts: []string{server.KnownHosts}, AgentSocket: "none", Dial: w.dial},
		Managers: []hpc.Factory{{Name: "fake", Detect: func(context.Context, hpc.Shell) (bool, error) { return true, nil },
			New: func(hpc.Shell) (hpc.Manager, error) { return m, nil }}}})
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	f := &fake{fakeManager: m, Driver: d, dir: dir}
	op := f.operation("op-1", map[string]any{"command": "date"})
	op.Host = executor.Host{Name: "login", Address: server.Address, Port: server.Port, User: server.User}
	return f, op
}

func noise(size int) []byte {
	data := make([]byte, size)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(data)
	return data
}

const mib = 1 << 20

// A connection that is cut in the middle of a file costs what was on its way:
// the copy goes on where it stopped. A part that is damaged is sent again.
func TestStagingResumes(t *testing.T) {
	t.Parallel()
	data := noise(6 * mib)
	t.Run("in", func(t *testing.T) {
		t.Parallel()
		w := &wire{}
		f, op := overWire(t, w)
		op.Files = fstest.MapFS{"big": {Data: data}}
		op.Self.Properties["stage_in"] = []any{map[string]any{"source": "big"}}
		w.cutSent.Store(4 * mib)
		s, err := f.Start(t.Context(), op)
		require.NoError(t, err)
		require.Equal(t, executor.Running, s.State)
		require.Equal(t, int64(1), w.cuts.Load())
		there, err := os.ReadFile(filepath.Join(f.folder(op), "big"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, there))
		require.Less(t, w.sent.Load(), int64(10*mib), "not all of it twice")
	})
	t.Run("in, damaged", func(t *testing.T) {
		t.Parallel()
		w := &wire{}
		f, op := overWire(t, w)
		op.Files = fstest.MapFS{"big": {Data: data}}
		op.Self.Properties["stage_in"] = []any{map[string]any{"source": "big"}}
		require.NoError(t, os.MkdirAll(f.folder(op), 0o755))
		part := append([]byte{data[0] + 1}, data[1:5*mib]...)
		require.NoError(t, os.WriteFile(filepath.Join(f.folder(op), "big"), part, 0o600))
		_, err := f.Start(t.Context(), op)
		require.NoError(t, err)
		there, err := os.ReadFile(filepath.Join(f.folder(op), "big"))
		require.NoError(t, err)
		require.True(t, bytes.Equal(data, there))
		require.Greater(t, w.sent.Load(), int64(6*mib), "all of it")
	})
	for name, damaged := range map[string]bool{"out": false, "out, damaged": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := &wire{}
			f, op := overWire(t, w)
			log := &logs{}
			op.Log = log
			op.Self.Properties["stage_out"] = []any{map[string]any{"source": "big"}}
			s, err := f.Start(t.Context(), op)
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(filepath.Join(f.folder(op), "big"), data, 0o600))
			results := filepath.Join(f.dir, "results", "d1", "job_0")
			if damaged {
				require.NoError(t, os.MkdirAll(results, 0o755))
				part := append([]byte{data[0] + 1}, data[1:5*mib]...)
				require.NoError(t, os.WriteFile(filepath.Join(results, "big.part"), part, 0o600))
			} else {
				w.cutReceived.Store(4 * mib)
			}
			f.set(func(j *hpc.Job) { j.State = hpc.Completed })
			s = await(t, f.Driver, s)
			require.NoError(t, s.Err)
			require.Equal(t, []any{filepath.Join(results, "big")}, s.Outputs["results"])
			got, err := os.ReadFile(filepath.Join(results, "big"))
			require.NoError(t, err)
			require.True(t, bytes.Equal(data, got))
			require.NoFileExists(t, filepath.Join(results, "big.part"))
			require.Contains(t, log.String(), "fetched big, 6291456 bytes (1 of 1)\n")
			if damaged {
				require.Greater(t, w.received.Load(), int64(6*mib), "all of it")
			} else {
				require.Equal(t, int64(1), w.cuts.Load())
				require.Less(t, w.received.Load(), int64(10*mib), "not all of it twice")
			}
		})
	}
}

// meeting is a file system whose files are not read before four are open.
type meeting struct {
	fstest.MapFS
	open atomic.Int64
	four chan struct{}
	once sync.Once
}

func (m *meeting) Open(name string) (fs.File, error) {
	f, err := m.MapFS.Open(name)
	if err == nil && strings.HasPrefix(name, "data/") && m.open.Add(1) == 4 {
		m.once.Do(func() { close(m.four) })
	}
	return &late{f, m, name}, err
}

type late struct {
	fs.File
	meeting *meeting
	name    string
}

func (l *late) ReadDir(n int) ([]fs.DirEntry, error) { return l.File.(fs.ReadDirFile).ReadDir(n) }

func (l *late) Read(p []byte) (int, error) {
	select {
	case <-l.meeting.four:
	case <-time.After(2 * time.Minute):
		return 0, fmt.Errorf("%s is copied alone", l.name)
	}
	return l.File.Read(p)
}

// Files are copied four at a time, and the log tells how far it is.
func TestStagingInParallel(t *testing.T) {
	t.Parallel()
	f, op := overWire(t, &wire{})
	files := &meeting{MapFS: fstest.MapFS{}, four: make(chan struct{})}
	for i := range 8 {
		files.MapFS[fmt.Sprintf("data/%d", i)] = &fstest.MapFile{Data: noise(1000 + i)}
	}
	op.Files = files
	op.Self.Properties["stage_in"] = []any{map[string]any{"source": "data", "target": "in"}}
	log := &logs{}
	op.Log = log
	_, err := f.Start(t.Context(), op)
	require.NoError(t, err)
	for i := range 8 {
		require.Contains(t, log.String(), fmt.Sprintf("staged in data/%d, %d bytes (", i, 1000+i))
		require.Contains(t, log.String(), fmt.Sprintf("(%d of 8)\n", i+1))
		require.FileExists(t, filepath.Join(f.folder(op), "in", fmt.Sprint(i)))
	}
}

// The wrapper hands the job to the container's runtime, word by word: a recording
// one, in the place of Apptainer.
func TestContainer(t *testing.T) {
	t.Parallel()
	const record = "#!/bin/sh\nfor word; do printf '%s\\n' \"$word\"; done >\"$RECORD\"\nwhile [ \"$1\" != the/image.sif ]; do shift; done\nshift\nexec \"$@\"\n"
	for name, c := range map[string]struct {
		properties map[string]any
		runtimes   []string
		code       int
		words      []string // DIR is the work directory
		says       string
	}{
		"command": {map[string]any{"command": "echo", "arguments": []any{"a  'b'", "$HOME", "*"}, "container": map[string]any{"image": "the/image.sif"}},
			[]string{"apptainer", "singularity"}, 0, []string{"exec", "--bind", "DIR", "--pwd", "DIR", "the/image.sif", "echo", "a  'b'", "$HOME", "*"}, "a  'b' $HOME *\n"},
		"script": {map[string]any{"script": "echo in \"$1\"; exit 5", "arguments": []any{"x y"},
			"container": map[string]any{"image": "the/image.sif", "binds": []any{"/data:/mnt dir:ro"}, "gpu": true, "options": []any{"--cleanenv"}}},
			[]string{"singularity"}, 5, []string{"exec", "--bind", "DIR", "--pwd", "DIR", "--nv", "--bind", "/data:/mnt dir:ro", "--cleanenv", "the/image.sif", "DIR/job.script", "x y"}, "in x y\n"},
		"named runtime": {map[string]any{"command": "true", "container": map[string]any{"image": "the/image.sif", "runtime": "singularity"}},
			[]string{"apptainer"}, 127, nil, "the node has no container runtime"},
		"no runtime": {map[string]any{"command": "true", "container": map[string]any{"image": "the/image.sif"}},
			nil, 127, nil, "the node has no container runtime"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			op, _ := f.start(t, c.properties)
			bin, recorded := t.TempDir(), filepath.Join(t.TempDir(), "words")
			for _, runtime := range c.runtimes {
				lab.WriteProgram(t, filepath.Join(bin, runtime), record)
			}
			r, err := hpc.Local().Run(t.Context(), hpc.Command{Args: []string{"bash"}, Stdin: []byte(f.specs[0].Script),
				Env: map[string]string{"PATH": bin + ":/usr/bin:/bin", "RECORD": recorded, "SLURM_JOB_ID": "7", "SLURM_ARRAY_JOB_ID": ""}})
			require.NoError(t, err)
			require.Equal(t, c.code, r.Code, "%s", r.Stderr)
			require.Contains(t, string(r.Stdout)+string(r.Stderr), c.says)
			exit, err := os.ReadFile(filepath.Join(f.folder(op), "job.exit"))
			require.NoError(t, err)
			require.True(t, strings.HasPrefix(string(exit), fmt.Sprint(c.code, " ")), string(exit))
			if c.words == nil {
				require.NoFileExists(t, recorded)
				return
			}
			words, err := os.ReadFile(recorded)
			require.NoError(t, err)
			require.Equal(t, strings.ReplaceAll(strings.Join(c.words, "\n"), "DIR", f.folder(op)), strings.TrimSpace(string(words)))
		})
	}
}
