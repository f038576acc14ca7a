package drivertest

import (
	"math"
	"os"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/executor"
)

func testAccepts(b *bench) {
	require.NotEmpty(b, b.driver.Name())
	cases := []struct {
		name, contents string
		mode           os.FileMode
		types          []string
		want           bool
	}{
		{"a.sh", "true", 0o644, nil, true},
		{"a.py", "pass", 0o644, nil, true},
		{"a", "true", 0o644, []string{"my.Bash", "tosca.artifacts.Implementation.Bash"}, true},
		{"a", "pass", 0o644, []string{"tosca.artifacts.Implementation.Python"}, true},
		{"a", "#!/bin/sh\n", 0o644, nil, true},
		{"a", "\x7fELF", 0o755, nil, true},
		{"a", "\x7fELF", 0o644, nil, false},
		{"a.txt", "text", 0o755, nil, false},
		{"a.yaml", "#!/usr/bin/env ansible-playbook\n", 0o755, nil, false},
	}
	for _, c := range cases {
		op, _ := b.operation(c.name, c.contents)
		op.Primary.Types = c.types
		op.Files = fstest.MapFS{c.name: {Data: []byte(c.contents), Mode: c.mode}}
		require.Equal(b, c.want, b.driver.Accepts(op), "%s %q %v", c.name, c.contents, c.mode)
	}
	op, _ := b.operation("a.sh", "true")
	op.Primary = nil
	require.False(b, b.driver.Accepts(op), "an operation without an implementation")
	op, _ = b.operation("a.sh", "true")
	if op.Host.Local() {
		op.Host = executor.Host{Address: "192.0.2.1"}
	} else {
		op.Host = executor.Host{}
	}
	require.False(b, b.driver.Accepts(op), "a host that is another driver's")
}

// inputs has each kind of value that an input can have.
func inputs() map[string]any {
	return map[string]any{
		"text": "plain", "empty": "", "quotes": `it's "so" $HOME ` + "`id` \\ !", "lines": "a\nb\n", "unicode": "žluťoučký 蛇 🐍",
		"integer": int64(-8080), "big": int64(math.MaxInt64), "float": 2.5, "yes": true, "no": false, "null": nil,
		"list":   []any{"a", int64(1), nil, []any{true}},
		"map":    map[string]any{"k": "<&>", "n": map[string]any{"deep": 0.5}},
		"dashed": "", "not-a-name": "only JSON", "with space": "only JSON",
	}
}

func testInputsAsVariables(b *bench) {
	op, _ := b.operation("env.py", `
import json, os
names = ["text","empty","quotes","lines","unicode","integer","big","float","yes","no","null","list","map","not-a-name"]
json.dump({n: os.environ.get(n) for n in names}, open(os.environ["TOSCA_OUTPUTS"], "w"))
`)
	op.Inputs = inputs()
	require.Equal(b, map[string]any{
		"text": "plain", "empty": "", "quotes": `it's "so" $HOME ` + "`id` \\ !", "lines": "a\nb\n", "unicode": "žluťoučký 蛇 🐍",
		"integer": "-8080", "big": "9223372036854775807", "float": "2.5", "yes": "true", "no": "false", "null": nil,
		"list": `["a",1,null,[true]]`, "map": `{"k":"<&>","n":{"deep":0.5}}`, "not-a-name": nil,
	}, b.succeed(op))
}

func testInputsAsJSON(b *bench) {
	op, _ := b.operation("copy.sh", `cp "$TOSCA_INPUTS" "$TOSCA_OUTPUTS"`)
	op.Inputs = inputs()
	op.Inputs["huge"] = string(make([]byte, 1<<20))
	require.Equal(b, op.Inputs, b.succeed(op))

	op, _ = b.operation("copy.sh", `cp "$TOSCA_INPUTS" "$TOSCA_OUTPUTS"`)
	op.Inputs = nil
	require.Empty(b, b.succeed(op))
}

func testReservedInputs(b *bench) {
	op, _ := b.operation("env.sh", `
echo "home=$HOME" >> "$TOSCA_OUTPUTS"
echo "node=$TOSCA_INSTANCE" >> "$TOSCA_OUTPUTS"
true "$(ls /)" && echo "path=fine" >> "$TOSCA_OUTPUTS"`)
	op.Inputs = map[string]any{"HOME": "/nowhere", "PATH": "/nowhere", "UID": "7", "TOSCA_INSTANCE": "x", "TOSCA_OUTPUTS": "/nowhere", "IFS": "/"}
	out := b.succeed(op)
	require.NotEqual(b, "/nowhere", out["home"])
	require.Equal(b, "node_0", out["node"])
	require.Equal(b, "fine", out["path"])
}

func testContext(b *bench) {
	op, _ := b.operation("context.sh", `
for n in DEPLOYMENT RUN STEP ATTEMPT OPERATION_ID INSTANCE INTERFACE OPERATION HOST TARGET_NODE; do
  v=TOSCA_$n; echo "$n=${!v}" >> "$TOSCA_OUTPUTS"
done`)
	op.Context = map[string]string{"TARGET_NODE": "the database's", "OPERATION": "is not replaced"}
	host := op.Host.Address
	if host == "" {
		host = "localhost"
	}
	require.Equal(b, map[string]any{"DEPLOYMENT": "suite", "RUN": "run-1", "STEP": "step-1", "ATTEMPT": "1",
		"OPERATION_ID": op.ID, "INSTANCE": "node_0", "INTERFACE": "Standard", "OPERATION": "create",
		"HOST": host, "TARGET_NODE": "the database's"}, b.succeed(op))
}

func testOutputForms(b *bench) {
	op, _ := b.operation("outputs.sh", `
echo 'url=http://host:80/?a=b' >> "$TOSCA_OUTPUTS"
printf 'key<<END\none\n\n two=2\nEND\n' >> "$TOSCA_OUTPUTS"
printf '\n{"port": 80, "ratio": 0.5, "on": true, "none": null,\n "list": ["é", {"a": 1}]}\r\n' >> "$TOSCA_OUTPUTS"
echo 'url=second' >> "$TOSCA_OUTPUTS"
echo 'not=an output'`)
	require.Equal(b, map[string]any{"url": "second", "key": "one\n\n two=2",
		"port": int64(80), "ratio": 0.5, "on": true, "none": nil, "list": []any{"é", map[string]any{"a": int64(1)}}}, b.succeed(op))

	op, _ = b.operation("none.sh", `rm "$TOSCA_OUTPUTS"`)
	require.Empty(b, b.succeed(op))
}

func testMalformedOutputs(b *bench) {
	op, _ := b.operation("outputs.sh", `printf 'a=1\nnonsense\n' >> "$TOSCA_OUTPUTS"`)
	err := b.fail(op)
	require.Equal(b, executor.InvalidArgument, executor.CodeOf(err))
	require.ErrorContains(b, err, "line 2")
	require.ErrorContains(b, err, "outputs.sh")
}
