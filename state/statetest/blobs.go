package statetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
)

func digestOf(data []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(data)) }

// content returns n bytes that are always the same and do not compress.
func content(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data)
	return data
}

func get(ctx context.Context, s state.Store, digest string) ([]byte, error) {
	r, err := s.Blob(ctx, digest)
	if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(r)
	return data, errors.Join(err, r.Close())
}

func testBlobs(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	for _, text := range []string{"", "a", "hello\x00world"} {
		digest := digestOf([]byte(text))
		_, err := s.Blob(ctx, digest)
		is(t, state.CodeNotFound, err)
		for range 2 {
			require.NoError(t, s.PutBlob(ctx, digest, strings.NewReader(text)))
			got, err := get(ctx, s, digest)
			require.NoError(t, err)
			require.Equal(t, text, string(got))
		}
	}

	hex := strings.Repeat("0", 64)
	for _, digest := range []string{"", "sha256:", hex, "sha256:" + hex[1:], "sha256:" + hex + "0", "sha512:" + hex,
		"SHA256:" + hex, "sha256:" + strings.Repeat("A", 64), "sha256:" + strings.Repeat("g", 64), "sha256:../../x"} {
		is(t, state.CodeInvalidArgument, s.PutBlob(ctx, digest, strings.NewReader("")))
		_, err := s.Blob(ctx, digest)
		is(t, state.CodeInvalidArgument, err)
	}
	is(t, state.CodeInvalidArgument, s.PutBlob(ctx, "sha256:"+hex, nil))

	// Wrong content is refused, whether or not the right one is there.
	for _, n := range []int{10, 5 << 20} {
		wrong := content(n)
		is(t, state.CodeInvalidArgument, s.PutBlob(ctx, "sha256:"+hex, bytes.NewReader(wrong)))
		_, err := s.Blob(ctx, "sha256:"+hex)
		is(t, state.CodeNotFound, err)
		is(t, state.CodeInvalidArgument, s.PutBlob(ctx, digestOf([]byte("a")), bytes.NewReader(wrong)))
		got, err := get(ctx, s, digestOf([]byte("a")))
		require.NoError(t, err)
		require.Equal(t, "a", string(got))
	}

	// A reader's error is the caller's, and nothing is stored.
	broken := errors.New("the line went dead")
	data := content(5 << 20)
	err := s.PutBlob(ctx, digestOf(data), io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)))
	require.ErrorIs(t, err, broken)
	_, err = s.Blob(ctx, digestOf(data))
	is(t, state.CodeNotFound, err)
}

func testBlobsLarge(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	// Around the borders of chunks, and a size that is a multiple of nothing.
	sizes := []int{1<<20 - 1, 1 << 20, 1<<20 + 1, 4 << 20, 9<<20 + 12345}
	if testing.Short() { // small reads of much are slow under the race detector
		sizes = []int{1<<20 + 1, 4 << 20}
	}
	for _, n := range sizes {
		data := content(n)
		require.NoError(t, s.PutBlob(ctx, digestOf(data), iotest.HalfReader(bytes.NewReader(data))))
		r, err := s.Blob(ctx, digestOf(data))
		require.NoError(t, err)
		require.NoError(t, iotest.TestReader(onlyReader{r}, data), "%d bytes", n)
		require.NoError(t, r.Close())
	}
	// Reading may stop halfway.
	r, err := s.Blob(ctx, digestOf(content(4<<20)))
	require.NoError(t, err)
	_, err = io.ReadFull(r, make([]byte, 1000))
	require.NoError(t, err)
	require.NoError(t, r.Close())

	// What is being read stays whole while others write.
	data := content(2 << 20)
	require.NoError(t, s.PutBlob(ctx, digestOf(data), bytes.NewReader(data)))
	r, err = s.Blob(ctx, digestOf(data))
	require.NoError(t, err)
	got := make([]byte, len(data))
	_, err = io.ReadFull(r, got[:10])
	require.NoError(t, err)
	other := content(24 << 20)
	require.NoError(t, s.PutBlob(ctx, digestOf(other), bytes.NewReader(other)))
	_, err = io.ReadFull(r, got[10:])
	require.NoError(t, err)
	require.True(t, bytes.Equal(data, got))
	require.NoError(t, r.Close())

	ctx, cancel := context.WithCancel(ctx)
	r, err = s.Blob(ctx, digestOf(content(4<<20)))
	require.NoError(t, err)
	cancel()
	_, err = io.ReadAll(r)
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, r.Close())
}

// onlyReader hides everything but Read.
type onlyReader struct{ io.Reader }

func testBlobsConcurrent(t *testing.T, h *Harness) {
	ctx, s := t.Context(), h.Store
	e := deploy(t, s, "shop")
	var group errgroup.Group
	for i := range 16 {
		data := content(2<<20 + i%4) // four contents, each put by four
		group.Go(func() error {
			if err := s.PutBlob(ctx, digestOf(data), bytes.NewReader(data)); err != nil {
				return err
			}
			got, err := get(ctx, s, digestOf(data))
			if err == nil && !bytes.Equal(got, data) {
				err = errors.New("other content came back")
			}
			return err
		})
	}
	// A blob whose reader never gets on holds up nobody.
	slow, w := io.Pipe()
	group.Go(func() error {
		err := s.PutBlob(ctx, digestOf(nil), slow)
		if state.CodeOf(err) != state.CodeInvalidArgument {
			return fmt.Errorf("wrong content was taken: %w", err)
		}
		return nil
	})
	_, err := w.Write([]byte("x"))
	require.NoError(t, err)
	e.note(1, 1)
	require.NoError(t, w.Close())
	require.NoError(t, group.Wait())
}
