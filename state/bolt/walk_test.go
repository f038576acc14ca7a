package bolt

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
)

// branches returns where in a state file its branch pages are.
func branches(data []byte) (offsets []int) {
	for at := 2 * 4096; at+4096 <= len(data); at += 4096 {
		flags, count := binary.NativeEndian.Uint16(data[at+8:]), binary.NativeEndian.Uint16(data[at+10:])
		if flags == branchPage && count > 1 && binary.NativeEndian.Uint64(data[at:]) == uint64(at/4096) {
			offsets = append(offsets, at)
		}
	}
	return offsets
}

// Pages in a circle, which bbolt would follow until the stack is full, are
// found when the file is opened.
func TestCircle(t *testing.T) {
	t.Parallel()
	whole := wholeFile(t)
	require.NoError(t, walkPages(bytes.NewReader(whole)))
	all := branches(whole)
	require.NotEmpty(t, all)
	root, err := newestMeta(bytes.NewReader(whole))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "state.db")
	refused := 0
	for _, at := range all {
		// A page's first child becomes the page itself, its second child, the
		// root, a meta page, or a page beyond the end.
		second := binary.NativeEndian.Uint64(whole[at+pageHeader+elementSize+8:])
		for _, child := range []uint64{uint64(at / 4096), second, root.root, 0, 1 << 40} {
			data := bytes.Clone(whole)
			binary.NativeEndian.PutUint64(data[at+pageHeader+8:], child)
			require.NoError(t, os.WriteFile(path, data, 0o600))
			for _, open := range []func(string, Config) (*Store, error){OpenReadOnly, Open} {
				s, err := open(path, Config{NoSync: true, LockTimeout: -1})
				if err == nil { // the page is one of an older commit
					readAll(t.Context(), s)
					require.NoError(t, s.Close())
					continue
				}
				refused++
				require.Equal(t, state.CodeInternal, state.CodeOf(err), "%v", err)
				require.ErrorContains(t, err, "the file is damaged")
			}
		}
	}
	require.NotZero(t, refused)
}

// FuzzPages changes a page of a state file: it is refused, or it can be walked
// to the end, and opened and read without a panic. With -short, as with the race
// detector, it begins with every fifth page only: nothing here runs at once.
func FuzzPages(f *testing.F) {
	whole := wholeFile(f)
	for _, at := range branches(whole) {
		f.Add(uint32(at+pageHeader+8), []byte{byte(at / 4096), 0, 0, 0, 0, 0, 0, 0})
	}
	step := 4096
	if testing.Short() {
		step *= 5
	}
	for at := 0; at < len(whole); at += step {
		f.Add(uint32(at+8), []byte{2, 0, 255, 255, 1, 0, 0, 0})
		f.Add(uint32(at+pageHeader), []byte{1, 0, 0, 0, 255, 255, 255, 255})
	}
	f.Fuzz(func(t *testing.T, at uint32, change []byte) {
		data := bytes.Clone(whole)
		copy(data[int(at)%len(data):], change)
		if err := walkPages(bytes.NewReader(data)); err != nil {
			require.NotEmpty(t, state.CodeOf(err))
		}
		path := filepath.Join(t.TempDir(), "state.db")
		require.NoError(t, os.WriteFile(path, data, 0o600))
		if s, err := OpenReadOnly(path, Config{LockTimeout: -1}); err == nil {
			readAll(t.Context(), s)
			require.NoError(t, s.Close())
		}
	})
}
