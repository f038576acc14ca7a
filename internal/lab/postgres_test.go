package lab

import (
	"os"
	"strings"
	"testing"
)

func TestPostgresStartsAgain(t *testing.T) {
	t.Parallel()
	p := NewPostgres(t, PostgresOptions{NoSync: true, Config: []string{"log_connections=on"}})
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if p.answers() {
		t.Fatal("it answers after it was stopped")
	}
	if err := p.Stop(); err == nil {
		t.Fatal("stopped twice")
	}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(p.Log(), "database system was not properly shut down") {
		t.Fatalf("the stop was no crash: %s", p.Log())
	}
	p.Close()
	if _, err := os.Stat(p.dir); !os.IsNotExist(err) {
		t.Fatalf("files are left: %v", err)
	}
}

func TestPostgresBadSetting(t *testing.T) {
	t.Parallel()
	p, err := startPostgres(requirePostgres(t), PostgresOptions{Config: []string{"no_such_setting=1"}})
	if err == nil {
		p.Close()
		t.Fatal("it started")
	}
	if !strings.Contains(err.Error(), "no_such_setting") {
		t.Fatal(err)
	}
}

func TestSharedPostgres(t *testing.T) {
	t.Parallel()
	var s SharedPostgres
	s.Options.NoSync = true
	first := s.Get(t)
	if s.Get(t) != first {
		t.Fatal("a second server")
	}
	s.Close()
	if first.answers() {
		t.Fatal("it answers after it was stopped")
	}
	s.Close()
}
