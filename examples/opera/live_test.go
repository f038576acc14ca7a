package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/stretchr/testify/require"
)

// deployEvents are what the engine tells of two nodes, of which the second fails.
func deployEvents() []executor.Event {
	op := func(kind executor.EventKind, instance, name, err string) executor.Event {
		return executor.Event{Kind: kind, Instance: instance, Operation: name, Step: instance + name, Err: err}
	}
	state := func(instance, state string) executor.Event {
		return executor.Event{Kind: executor.StateChanged, Instance: instance, State: state}
	}
	return []executor.Event{
		{Kind: executor.RunStarted, RunKind: "deploy"},
		state("a_0", "creating"),
		op(executor.OperationStarted, "a_0", "create", ""),
		{Kind: executor.OperationLog, Instance: "a_0", Log: "one\ntwo\n"},
		op(executor.OperationEnded, "a_0", "create", ""),
		state("a_0", "started"),
		state("b_0", "creating"),
		op(executor.OperationStarted, "b_0", "create", ""),
		op(executor.OperationStarted, "b_0--a_0--host.0", "pre_configure_source", ""),
		op(executor.OperationEnded, "b_0--a_0--host.0", "pre_configure_source", ""),
		op(executor.OperationEnded, "b_0", "create", "exit code 1:\nno space"),
		state("b_0", "error"),
	}
}

func TestPlainProgress(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p, err := newProgress("plain", &out, true)
	require.NoError(t, err)
	for _, e := range deployEvents() {
		p.event(e)
	}
	p.close()
	require.Equal(t, `[Worker_0]   Deploying a_0
[Worker_0]     Executing create on a_0
[Worker_0]       one
[Worker_0]       two
[Worker_0]   Deployment of a_0 complete
[Worker_0]   Deploying b_0
[Worker_0]     Executing create on b_0
[Worker_1]     Executing pre_configure_source on b_0--a_0--host.0
[Worker_0]     Failed create on b_0: exit code 1:
               no space
`, out.String())
}

func TestLiveProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p, err := newProgress("live", &out, false)
		require.NoError(t, err)
		for _, e := range deployEvents()[:8] {
			p.event(e)
		}
		time.Sleep(65 * time.Second) // of the bubble's clock
		p.(*live).mu.Lock()
		table := p.(*live).table(80, 24)
		p.(*live).mu.Unlock()
		require.Equal(t, []string{
			"deploy: 1 of 2 nodes started, 1 operation running, 1:05",
			green + "+ a_0   started        0.0s  " + reset,
			yellow + "> b_0   creating       1:05  create" + reset,
		}, table)
		for _, e := range deployEvents()[8:] {
			p.event(e)
		}
		p.close()
		p.close() // again is harmless
		last := out.String()[strings.LastIndex(out.String(), "\x1b[3A"):]
		require.Contains(t, last, red+"! b_0   error          1:05  exit code 1:"+reset)
	})
}

// newsEvents are what the engine tells of a job that waits, fails, is tried again
// beside another operation of its node, and of one that another process began.
func newsEvents() []executor.Event {
	news := func(kind executor.EventKind, instance, name, detail string) executor.Event {
		return executor.Event{Kind: kind, Instance: instance, Operation: name, Step: instance + "." + name, Detail: detail}
	}
	retry := news(executor.OperationRetry, "a_0", "create", "1s")
	retry.Err = "node n1 broke"
	return []executor.Event{
		{Kind: executor.RunStarted, RunKind: "deploy"},
		news(executor.OperationStarted, "a_0", "create", ""),
		news(executor.OperationDetail, "a_0", "create", "job 7 is queued: Priority"),
		news(executor.OperationDetail, "a_0", "create", "job 7 is queued: Resources"),
		retry,
		news(executor.OperationStarted, "a_0", "create", ""),
		news(executor.OperationStarted, "a_0--b_0--dependency.0", "pre_configure_source", ""),
		{Kind: executor.OperationLog, Instance: "a_0", Step: "a_0.create", Log: "job 8 is queued: Resources\n"},
		news(executor.OperationDetail, "a_0", "create", "job 8 is queued: Resources"),
		news(executor.OperationDetail, "b_0", "create", "job 6 is running on n1"),
		news(executor.OperationEnded, "a_0", "create", ""),
	}
}

// Why an operation waits is told once, also where its own output says it.
func TestPlainProgressTellsNews(t *testing.T) {
	t.Parallel()
	const begin = `[Worker_0]     Executing create on a_0
[Worker_0]     Waiting for create on a_0: job 7 is queued: Priority
[Worker_0]     Waiting for create on a_0: job 7 is queued: Resources
[Worker_0]     Retrying create on a_0: node n1 broke
[Worker_0]     Executing create on a_0
[Worker_1]     Executing pre_configure_source on a_0--b_0--dependency.0
`
	const end = "[Worker_2]     Waiting for create on b_0: job 6 is running on n1\n"
	for verbose, middle := range map[bool]string{
		false: "[Worker_0]     Waiting for create on a_0: job 8 is queued: Resources\n",
		true:  "[Worker_0]       job 8 is queued: Resources\n",
	} {
		var out bytes.Buffer
		p, err := newProgress("plain", &out, verbose)
		require.NoError(t, err)
		for _, e := range newsEvents() {
			p.event(e)
		}
		require.Equal(t, begin+middle+end, out.String())
	}
}

func TestLiveProgressShowsNews(t *testing.T) {
	t.Parallel()
	now := time.Now()
	l := &live{byID: map[string]*row{}, now: func() time.Time { return now }}
	events := newsEvents()
	line := func(i, n int) string {
		for _, e := range events[i : i+n] {
			l.event(e)
		}
		return l.table(100, 24)[1]
	}
	require.Equal(t, yellow+"> a_0   waiting        0.0s  create (job 7 is queued: Resources)"+reset, line(0, 4))
	require.Equal(t, yellow+"> a_0   waiting        0.0s  create"+reset, line(4, 1))
	require.Equal(t, yellow+"> a_0   waiting        0.0s  create (job 8 is queued: Resources), pre_configure_source"+reset, line(5, 4))
	require.Equal(t, yellow+"> a_0   waiting        0.0s  pre_configure_source"+reset, line(9, 2), "one that is tried again runs once")
	require.Equal(t, yellow+"> b_0   waiting        0.0s  create (job 6 is running on n1)"+reset, l.table(100, 24)[2])
}

func TestLiveProgressShowsWorkFirst(t *testing.T) {
	t.Parallel()
	l := &live{byID: map[string]*row{}, now: time.Now}
	l.event(executor.Event{Kind: executor.RunStarted, RunKind: "deploy"})
	l.expect(strings.Fields("a_0 b_0 c_0 d_0 e_0 f_0"))
	l.event(executor.Event{Kind: executor.OperationStarted, Instance: "f_0", Operation: "create"})
	table := l.table(20, 5)
	require.Len(t, table, 5)
	require.Contains(t, table[1], "f_0")
	require.Contains(t, table[4], "and 3 nodes more")
}

func TestCut(t *testing.T) {
	t.Parallel()
	require.Equal(t, "abc", cut("abc", 3))
	require.Equal(t, "ab…", cut("abcd", 3))
	require.Equal(t, "a b", cut("a\x1bb", 3), "control characters cannot reach the terminal")
	require.Equal(t, "", cut("abc", 0))
}

func TestUnknownProgress(t *testing.T) {
	t.Parallel()
	_, err := newProgress("loud", &bytes.Buffer{}, false)
	require.ErrorContains(t, err, `no progress display "loud"`)
}
