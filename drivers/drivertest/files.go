package drivertest

import (
	"io/fs"
	"os"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/executor"
)

func testInterpreters(b *bench) {
	cases := []struct {
		name, contents, artifact, want string
	}{
		{"a.sh", `echo "by=bash$((${#BASH_VERSION}>0))" >> "$TOSCA_OUTPUTS"`, "", "bash1"},
		{"typed", `echo "by=bash$((${#BASH_VERSION}>0))" >> "$TOSCA_OUTPUTS"`, "tosca.artifacts.Implementation.Bash", "bash1"},
		{"a.py", `import os; open(os.environ["TOSCA_OUTPUTS"], "a").write("by=python\n")`, "", "python"},
		{"typed", `import os; open(os.environ["TOSCA_OUTPUTS"], "a").write("by=python\n")`, "tosca.artifacts.Implementation.Python", "python"},
		{"named", "#!/usr/bin/env python3\n" + `import os; open(os.environ["TOSCA_OUTPUTS"], "a").write("by=python\n")`, "", "python"},
		{"option", "#! /bin/sh -e \n" + `(exit 3); echo "by=not -e" >> "$TOSCA_OUTPUTS"`, "", ""},
	}
	for _, c := range cases {
		op, _ := b.operation(c.name, c.contents)
		if c.artifact != "" {
			op.Primary.Types = []string{c.artifact}
		}
		if c.want == "" {
			require.ErrorContains(b, b.fail(op), "exit code 3")
			continue
		}
		require.Equal(b, map[string]any{"by": c.want}, b.succeed(op), c.contents)
	}

	program, err := os.ReadFile("/bin/true")
	if err != nil {
		return // no program to copy here
	}
	op, _ := b.operation("program", "")
	op.Files = fstest.MapFS{"program": {Data: program, Mode: 0o755}}
	require.Empty(b, b.succeed(op))
}

func testFiles(b *bench) {
	op, _ := b.operation("scripts/list.py", `
import json, os
found = {}
for where, _, names in os.walk("."):
    for n in names:
        p = os.path.relpath(os.path.join(where, n))
        if p != "list.py":
            found[p] = [open(p).read(), os.access(p, os.X_OK) if os.getuid() else bool(os.stat(p).st_mode & 0o100)]
found["empty folder"] = os.path.isdir("conf/empty")
json.dump(found, open(os.environ["TOSCA_OUTPUTS"], "w"))
`)
	op.Files = fstest.MapFS{
		"scripts/list.py":    op.Files.(fstest.MapFS)["scripts/list.py"],
		"scripts/other.sh":   {Data: []byte("not declared")},
		"lib/common.sh":      {Data: []byte("common"), Mode: 0o555},
		"etc/conf/a.cfg":     {Data: []byte("a"), Mode: 0o444},
		"etc/conf/sub/b.cfg": {Data: []byte("b")},
		"etc/conf/empty":     {Mode: fs.ModeDir | 0o555},
		"images/app.tar":     {Data: []byte("app")},
		"copy/common.sh":     {Data: []byte("common"), Mode: 0o644},
	}
	op.Dependencies = []*executor.File{{Path: "lib/common.sh"}, {Path: "etc/conf"}, {Path: "copy/common.sh"}}
	op.Artifacts = []*executor.File{{Name: "app", Path: "images/app.tar"}, {Name: "image", Path: ""}, {Name: "again", Path: "scripts/list.py"}}
	require.Equal(b, map[string]any{
		"common.sh":      []any{"common", true},
		"conf/a.cfg":     []any{"a", false},
		"conf/sub/b.cfg": []any{"b", false},
		"app.tar":        []any{"app", false},
		"empty folder":   true,
	}, b.succeed(op))
}

func testFilesUnchanged(b *bench) {
	op, _ := b.operation("change.sh", `
{ echo changed > data.txt; echo changed >> change.sh; rm -rf folder; echo new > new.txt; exit 0; }`, "data.txt", "data", "folder/x", "x")
	op.Dependencies[1].Path = "folder"
	root := b.path("archive")
	require.NoError(b, os.CopyFS(root, op.Files))
	op.Files = os.DirFS(root)
	before := snapshot(b, op.Files)
	b.succeed(op)
	require.Equal(b, before, snapshot(b, op.Files))
}

func snapshot(b *bench, files fs.FS) map[string]string {
	all := map[string]string{}
	require.NoError(b, fs.WalkDir(files, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(files, p)
		all[p] = string(data)
		return err
	}))
	return all
}

func testOddNames(b *bench) {
	odd := `it's a "file" $HOME; -n é.txt`
	op, _ := b.operation(`the 'create' $(touch x) script é.sh`, `
cat "$file" > "$dir/found"
ls | wc -l | tr -d ' ' >> "$dir/found"`, odd, "odd contents\n")
	op.Inputs["file"] = odd
	b.succeed(op)
	require.Equal(b, "odd contents\n2", b.awaitFile("found"))

	op, _ = b.operation("-e.sh", `echo "ran=yes" >> "$TOSCA_OUTPUTS"`)
	require.Equal(b, map[string]any{"ran": "yes"}, b.succeed(op))
}

func testMissingFile(b *bench) {
	op, _ := b.operation("a.sh", "true")
	op.Dependencies = []*executor.File{{Path: "lib/missing.sh"}}
	err := b.fail(op)
	require.Equal(b, executor.NotFound, executor.CodeOf(err))
	require.ErrorContains(b, err, "lib/missing.sh")

	op, _ = b.operation("a.sh", "true")
	op.Files = fstest.MapFS{}
	err = b.fail(op)
	require.Equal(b, executor.NotFound, executor.CodeOf(err))
	require.ErrorContains(b, err, "a.sh")
}

func testCollision(b *bench) {
	op, _ := b.operation("a.sh", "true", "x/data", "one", "y/data", "two")
	err := b.fail(op)
	require.Equal(b, executor.InvalidArgument, executor.CodeOf(err))
	require.ErrorContains(b, err, "x/data")
	require.ErrorContains(b, err, "y/data")
}
