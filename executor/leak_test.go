package executor_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
	"github.com/stretchr/testify/require"
)

// leaks collects all texts that come out of an engine, by where they came from.
type leaks map[string][]byte

func (l leaks) add(where string, values ...any) {
	for _, v := range values {
		raw, err := json.Marshal(v)
		if err != nil {
			raw = []byte(err.Error())
		}
		l[where] = append(append(l[where], raw...), fmt.Sprintf("\n%v\n%+v\n", v, v)...)
	}
}

// Secrets are in no channel by which anything leaves an engine: events, logs,
// errors, spans, metrics, info, the store's own bytes, and an export of it.
func TestSecretsInEveryChannel(t *testing.T) {
	t.Parallel()
	for name, key := range sealingKeys {
		t.Run("memory/"+name, func(t *testing.T) {
			t.Parallel()
			testSecretsInEveryChannel(t, newMemory(t), key)
		})
		t.Run("bolt/"+name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			store, err := bolt.Open(filepath.Join(dir, "state.db"), bolt.Config{})
			require.NoError(t, err)
			testSecretsInEveryChannel(t, store, key)
			require.NoError(t, store.Close())
			filesHold(t, dir)
		})
	}
}

var sealingKeys = map[string][]byte{"no key": nil, "key": []byte("0123456789abcdef0123456789abcdef")}

func TestSecretsInPostgres(t *testing.T) {
	t.Parallel()
	server := lab.NewPostgres(t, lab.PostgresOptions{NoSync: true})
	for name, key := range sealingKeys {
		store, err := postgres.Open(t.Context(), server.URL, &postgres.Options{Schema: strings.ReplaceAll(name, " ", "_")})
		require.NoError(t, err)
		t.Run(name, func(t *testing.T) { testSecretsInEveryChannel(t, store, key) })
		require.NoError(t, store.Close())
	}
	require.NoError(t, server.Stop())
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	filesHold(t, u.Query().Get("host"))
}

// filesHold fails where a file in dir holds a secret, or none holds what was stored.
func filesHold(t *testing.T, dir string) {
	t.Helper()
	stored := false
	require.NoError(t, filepath.WalkDir(dir, func(path string, f fs.DirEntry, err error) error {
		if err != nil || !f.Type().IsRegular() {
			return err
		}
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		stored = stored || bytes.Contains(text, []byte("the password is ***"))
		noSecrets(t, path, text)
		return nil
	}))
	require.True(t, stored, "the log must be found, or nothing was looked at")
}

// The secrets: one is given, the other made by an operation.
const givenSecret, madeSecret = "hunter22", `t0p"secret`

// noSecrets fails where a text holds a secret as it is, as JSON, or in hexadecimal digits.
func noSecrets(t *testing.T, where string, text []byte) {
	t.Helper()
	for _, secret := range []string{givenSecret, madeSecret} {
		for _, form := range []string{secret, strings.Trim(strconv.Quote(secret), `"`), hex.EncodeToString([]byte(secret))} {
			require.False(t, bytes.Contains(text, []byte(form)), "%q is in %s", form, where)
		}
	}
}

func testSecretsInEveryChannel(t *testing.T, store state.Store, key []byte) {
	const password, token = givenSecret, madeSecret
	ctx, all, o, w := t.Context(), leaks{}, newObserved(), &watcher{}
	var log bytes.Buffer
	fails := true
	driver := &script{do: func(_ context.Context, op *executor.Operation) (map[string]any, error) {
		switch op.Name {
		case "create":
			require.Equal(t, "admin:"+password, op.Inputs["login"])
			fmt.Fprintf(op.Log, "the password is %s%s\nand %s", password[:3], password[3:], password)
			return map[string]any{"token": token, "note": "uses " + password}, nil
		case "start":
			require.Equal(t, token, op.Inputs["token"])
			fmt.Fprintf(op.Log, "%s, %q\n", token, token)
			if fails {
				return nil, fmt.Errorf("login as %s: %w", password, errors.New(token))
			}
		}
		return nil, nil
	}}
	e := newEngine(t, executor.Config{Store: store, Drivers: []executor.Driver{executor.Sync(driver)}, Key: key,
		Observe: w.observe, TracerProvider: o.traces, MeterProvider: o.meters,
		Logger: hclog.New(&hclog.LoggerOptions{Output: &log, Level: hclog.Trace})})
	inputs := map[string]any{"password": password}
	result, err := e.Deploy(ctx, executor.Request{Deployment: "x", Archive: template(t, secretive), Inputs: inputs})
	require.ErrorContains(t, err, "login as ***: ***")
	all.add("the result", result, result.Plan)
	all.add("errors", err)
	if key != nil {
		fails = false
		_, err = e.Resume(ctx, "x", executor.Options{})
		require.NoError(t, err)
		outputs, err := e.Outputs(ctx, "x")
		require.NoError(t, err)
		all.add("outputs", outputs)
	} else {
		_, err = e.Resume(ctx, "x", executor.Options{Inputs: inputs})
		require.Error(t, err, "the token was not stored")
		all.add("errors", err)
	}
	info, err := e.Info(ctx, "x")
	require.NoError(t, err)
	all.add("info", info)
	all.add("observed events", w.all())
	for ev, err := range e.Events(ctx, "x", executor.EventOptions{Logs: true}) {
		require.NoError(t, err)
		all.add("events", ev)
	}
	for c, err := range e.Logs(ctx, "x", "", 0) {
		require.NoError(t, err)
		all.add("stored logs", c)
	}
	require.Contains(t, string(all["stored logs"]), "the password is ***")
	for _, span := range o.spans.Ended() {
		all.add("spans", span.Name(), fmt.Sprint(span.Attributes(), span.Events(), span.Status(), span.Links()))
	}
	require.Contains(t, string(all["spans"]), "login as ***: ***")
	all.add("metrics", o.metrics(t))
	all.add("the engine's log", "", log.String())

	d, err := store.Deployment(ctx, "x")
	require.NoError(t, err)
	instances, err := store.Instances(ctx, "x")
	require.NoError(t, err)
	runs, err := store.Runs(ctx, "x")
	require.NoError(t, err)
	all.add("stored records", d, instances, runs, string(d.Inputs))
	for _, run := range runs {
		blob, err := store.Blob(ctx, run.Plan)
		require.NoError(t, err)
		plan, err := io.ReadAll(blob)
		require.NoError(t, err)
		require.NoError(t, blob.Close())
		all["plans"] = append(all["plans"], plan...)
	}
	for entry, err := range store.Journal(ctx, "x", 0) {
		require.NoError(t, err)
		all["the journal"] = append(all["the journal"], entry.Data...)
	}
	var export bytes.Buffer
	require.NoError(t, state.Export(ctx, store, "x", &export))
	all["the export"] = unpacked(t, &export)
	require.Contains(t, string(all["the export"]), "the password is ***")
	for where, text := range all {
		require.NotEmpty(t, text, where)
		noSecrets(t, where, text)
	}
}

// unpacked is what is in an export.
func unpacked(t *testing.T, r io.Reader) (all []byte) {
	t.Helper()
	z, err := gzip.NewReader(r)
	require.NoError(t, err)
	for files := tar.NewReader(z); ; {
		_, err := files.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		require.NoError(t, err)
		text, err := io.ReadAll(files)
		require.NoError(t, err)
		all = append(all, text...)
	}
}
