package script

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

func TestParseOutputs(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, in string
		want     map[string]any
		err      string // part of the message; "" for success
	}{
		{name: "empty", in: "", want: map[string]any{}},
		{name: "blank lines", in: "\n  \n\r\n", want: map[string]any{}},
		{name: "string", in: "a=1\n", want: map[string]any{"a": "1"}},
		{name: "no end of line", in: "a=1", want: map[string]any{"a": "1"}},
		{name: "CR LF", in: "a=1\r\nb=2\r\n", want: map[string]any{"a": "1", "b": "2"}},
		{name: "empty value", in: "a=\n", want: map[string]any{"a": ""}},
		{name: "as it is", in: "a= \"x\" = <<y \n", want: map[string]any{"a": " \"x\" = <<y "}},
		{name: "name", in: "a.b-c_9=x\n", want: map[string]any{"a.b-c_9": "x"}},
		{name: "last wins", in: "a=1\n{\"a\":2}\n", want: map[string]any{"a": int64(2)}},
		{name: "lines", in: "a<<E\nx\n\n E\ny=1\nE\nb=2", want: map[string]any{"a": "x\n\n E\ny=1", "b": "2"}},
		{name: "no lines", in: "a<<E\nE", want: map[string]any{"a": ""}},
		{name: "one empty line", in: "a<<E\n\nE", want: map[string]any{"a": ""}},
		{name: "object", in: `{"i":1,"f":1.5,"e":1e2,"t":true,"n":null,"l":[1,{"x":[]}]}`,
			want: map[string]any{"i": int64(1), "f": 1.5, "e": 100.0, "t": true, "n": nil, "l": []any{int64(1), map[string]any{"x": []any{}}}}},
		{name: "object of several lines", in: "\n  {\n\"a\":\n1}\nb=2", want: map[string]any{"a": int64(1), "b": "2"}},
		{name: "two objects", in: "{\"a\":1}\n{\"b\":2}\n", want: map[string]any{"a": int64(1), "b": int64(2)}},
		{name: "integer beyond 64 bits", in: `{"a":18446744073709551616}`, want: map[string]any{"a": 18446744073709551616.0}},

		{name: "neither form", in: "a=1\nhello\n", err: "line 2: it is neither"},
		{name: "space in name", in: "a =1", err: `line 1: "a " cannot be a name`},
		{name: "no name", in: "=1", err: "cannot be a name"},
		{name: "single <", in: "a<E\n", err: "begins with name<<WORD"},
		{name: "no word", in: "a<<\nx\n", err: "begins with name<<WORD"},
		{name: "no end", in: "b=1\na<<E\nx\n", err: `line 2: no line with "E" alone`},
		{name: "object without end", in: "{\"a\":\n1", err: "has no end"},
		{name: "behind the object", in: `{"a":1} x`, err: `follows the JSON object`},
		{name: "two objects in a line", in: `{"a":1}{"b":2}`, err: `follows the JSON object`},
		{name: "line behind an object", in: "{\n\"a\":1\n}\n\nx", err: "line 5:"},
		{name: "line behind a value of lines", in: "a<<E\n1\n2\nE\nx", err: "line 5:"},
		{name: "number too large", in: `{"a":1e999}`, err: "no number that fits"},
		{name: "not UTF-8", in: "a=\xff", err: "not UTF-8"},
		{name: "object not UTF-8", in: "{\"a\":\"\xff\"}", err: "not UTF-8"},
		{name: "too large", in: strings.Repeat("a=1\n", MaxOutputs/4+1), err: "at most 16777216 are read"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseOutputs([]byte(c.in))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func FuzzParseOutputs(f *testing.F) {
	for _, seed := range []string{"a=1\nb<<E\nx\nE\n", "{\"a\":[1,2.5,null]}\r\n", "{\n}\n=", "a<<\n", "{\"a\":1e999}", "\xff=\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		outputs, err := ParseOutputs(data)
		if err != nil {
			require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
			return
		}
		// What was read can be written as an object and is read again the same.
		line, err := marshal(outputs)
		require.NoError(t, err)
		again, err := ParseOutputs(line)
		require.NoError(t, err)
		second, err := marshal(again)
		require.NoError(t, err)
		require.Equal(t, string(line), string(second))
	})
}

func TestParseShebang(t *testing.T) {
	t.Parallel()
	cases := []struct {
		in   string
		want []string
	}{
		{"#!/bin/sh\nrest", []string{"/bin/sh"}},
		{"#! /bin/sh -eu -x \n", []string{"/bin/sh", "-eu -x"}}, // one argument, as Linux does
		{"#!/usr/bin/env\tpython3\r\n", []string{"/usr/bin/env", "python3"}},
		{"#!\n/bin/sh", nil},
		{"# !/bin/sh", nil},
		{"", nil},
	}
	for _, c := range cases {
		require.Equal(t, c.want, parseShebang(c.in), "%q", c.in)
	}
}

func TestInterpreters(t *testing.T) {
	t.Parallel()
	op := &executor.Operation{Files: fstest.MapFS{"a/run": {Data: []byte("#!/bin/sh\n")}},
		Primary: &executor.File{Path: "a/run", Types: []string{"my.Perl", PythonType}}}
	job, err := Prepare(op, map[string]string{PythonType: "/opt/venv/bin/python"})
	require.NoError(t, err)
	require.Equal(t, []string{"/opt/venv/bin/python", "./run"}, job.Command)
	job, err = Prepare(op, map[string]string{PythonType: "/opt/venv/bin/python", "my.Perl": "perl"})
	require.NoError(t, err)
	require.Equal(t, []string{"perl", "./run"}, job.Command, "the nearest type decides")
}

func TestEnvironment(t *testing.T) {
	t.Parallel()
	env, err := environment(&executor.Operation{ID: "id", Attempt: 2,
		Inputs: map[string]any{"b": "x", "a": []any{"<"}, "null": nil, "9": "x", "": "x", "é": "x", "nul": "\x00",
			"long": strings.Repeat("x", MaxVariable+1), "PATH": "x", "TOSCA_X": "x"},
		Context: map[string]string{"NODE": "n", "not a name": "x"}})
	require.NoError(t, err)
	require.Equal(t, []string{"TOSCA_ATTEMPT=2", "TOSCA_DEPLOYMENT=", "TOSCA_INSTANCE=", "TOSCA_INTERFACE=", "TOSCA_NODE=n",
		"TOSCA_OPERATION=", "TOSCA_OPERATION_ID=id", "TOSCA_RUN=", "TOSCA_STEP=", `a=["<"]`, "b=x"}, env)

	_, err = environment(&executor.Operation{Inputs: map[string]any{"f": func() {}}})
	require.Equal(t, errs.InvalidArgument, errs.CodeOf(err))
}

func TestLines(t *testing.T) {
	t.Parallel()
	var log recorder
	l := NewLines(&log, Redactor([]string{"pass", "password", ""}))
	for _, piece := range []string{"a", "b\nc", "\n", "my password\nrest ", "pass"} {
		_, err := io.WriteString(l, piece)
		require.NoError(t, err)
	}
	require.NoError(t, l.Close())
	require.Equal(t, []string{"ab\n", "c\n", "my ***\n", "rest ***\n"}, log.pieces)
	require.Equal(t, "ab\nc\nmy ***\nrest ***", l.Tail())

	l = NewLines(io.Discard, nil)
	for range 100 {
		_, _ = l.Write(bytes.Repeat([]byte("x"), 10000))
	}
	require.LessOrEqual(t, cap(l.line), 2*maxLine, "a line without end does not grow")
	_, _ = io.WriteString(l, strings.Repeat("\ny", 50))
	require.NoError(t, l.Close())
	require.Equal(t, strings.Repeat("y\n", maxLines-1)+"y", l.Tail())
	require.LessOrEqual(t, cap(l.tail), 4*maxLine)
}

type recorder struct{ pieces []string }

func (r *recorder) Write(p []byte) (int, error) {
	r.pieces = append(r.pieces, string(p))
	return len(p), nil
}

func TestStopped(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("the operator pressed Ctrl-C"))
	err := Stopped(ctx, "a.sh", "working")
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, errs.Canceled, errs.CodeOf(err))
	require.Equal(t, "run a.sh: stopped: context canceled: the operator pressed Ctrl-C; its last words: working", err.Error())
}
