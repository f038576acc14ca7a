package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/bolt"
	"github.com/seed-a4fd30b5/orchestrator/state/postgres"
)

// storeVariable is the environment variable that stands for --store.
const storeVariable = "OPERA_STORE"

// connectTimeout is how long to try to reach a database.
const connectTimeout = 30 * time.Second

// openStore opens what keeps the state: the file in the instance folder, or
// the database that --store names. Without create, one that has nothing of this
// deployment is errNoState.
func (f *instanceFlags) openStore(dir string, create, readOnly bool) (state.Store, error) {
	if f.store == "" {
		return openFile(filepath.Join(dir, stateFile), create, readOnly)
	}
	address, schema, err := databaseOf(f.store)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), connectTimeout)
	defer cancel()
	store, err := postgres.Open(ctx, address, &postgres.Options{Schema: schema})
	if err != nil || create {
		return store, err
	}
	if _, err = store.Deployment(ctx, deployment); err == nil {
		return store, nil
	}
	if executor.CodeOf(err) == executor.NotFound {
		err = errNoState
	}
	return nil, errors.Join(err, store.Close())
}

// databaseOf splits the name of the schema off a URL.
func databaseOf(store string) (address, schema string, err error) {
	u, err := url.Parse(store)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		// Without the URL: it may hold a password.
		return "", "", fmt.Errorf("--store: the value is not a URL such as postgres://user@host:5432/database?schema=name")
	}
	q := u.Query()
	schema = q.Get("schema")
	q.Del("schema")
	u.RawQuery = strings.ReplaceAll(q.Encode(), "+", "%20")
	return u.String(), schema, nil
}

func openFile(file string, create, readOnly bool) (state.Store, error) {
	if _, err := os.Stat(file); err != nil && !create {
		if errors.Is(err, fs.ErrNotExist) {
			return nil, errNoState
		}
		return nil, err
	}
	open := bolt.Open
	if readOnly {
		open = bolt.OpenReadOnly
	}
	// The lease of a run whose process was killed must not keep its user from
	// going on; no other process has the file open.
	return open(file, bolt.Config{EndLeases: true})
}
