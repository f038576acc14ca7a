package executor_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/stretchr/testify/require"
)

// world is what is outside of the engines of a kill test: a batch system and a
// service, which live in the test's process and go on whatever happens to the
// processes of the engines. All that is done writes to the witness: a line when
// it begins and one when it ends, is canceled, or is asked for a second time.
type world struct {
	dir     string
	witness *os.File
	server  net.Listener

	mu   sync.Mutex
	jobs []*worldJob
	wg   sync.WaitGroup
}

// worldJob is a job or a call of the service.
type worldJob struct {
	Number  int
	Name    string // by which it is found: the operation's ID and attempt
	Key     string // the run and step
	State   executor.OperationState
	Who     string
	Kind    string
	Attempt int

	cancel, ended chan struct{}
}

// request is what a driver asks the world for.
type request struct {
	Do        string // submit, find, ask, cancel
	Kind      string
	Name, Key string
	Who       string
	Attempt   int
	Numbers   []int
	Once      bool // a job of this name is not submitted a second time
	Wait      bool // answer when it has ended
}

// newWorld starts a world whose files are in dir.
func newWorld(t testing.TB, dir string) *world {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	witness, err := os.OpenFile(filepath.Join(dir, "witness"), os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	require.NoError(t, err)
	// The path of a socket must be short.
	sockets, err := os.MkdirTemp("", "kill")
	require.NoError(t, err)
	server, err := net.Listen("unix", filepath.Join(sockets, "s"))
	require.NoError(t, err)
	w := &world{dir: dir, witness: witness, server: server}
	w.wg.Go(w.serve)
	t.Cleanup(func() {
		require.NoError(t, server.Close())
		w.wg.Wait()
		require.NoError(t, witness.Close())
		require.NoError(t, os.RemoveAll(sockets))
	})
	return w
}

// serve reads one request after the other, so that what a killed process has
// asked for comes before what the next one does.
func (w *world) serve() {
	for {
		conn, err := w.server.Accept()
		if err != nil {
			return
		}
		line, err := bufio.NewReader(conn).ReadBytes('\n')
		var r request
		if err != nil || json.Unmarshal(line, &r) != nil {
			conn.Close() // it was killed before it had asked
			continue
		}
		jobs := w.do(r)
		w.wg.Go(func() {
			defer conn.Close()
			if r.Wait {
				for _, j := range jobs {
					<-j.ended
				}
			}
			w.mu.Lock()
			answer, _ := json.Marshal(jobs)
			w.mu.Unlock()
			_, _ = conn.Write(append(answer, '\n')) // it may be dead
		})
	}
}

func (w *world) do(r request) []*worldJob {
	w.mu.Lock()
	defer w.mu.Unlock()
	var found []*worldJob
	for _, j := range w.jobs {
		if j.Name == r.Name {
			found = append(found, j)
		}
	}
	switch r.Do {
	case "submit":
		if r.Once && len(found) > 0 {
			return found
		}
		j := &worldJob{Number: len(w.jobs), Name: r.Name, Key: r.Key, Who: r.Who, Kind: r.Kind, Attempt: r.Attempt,
			State: executor.Running, cancel: make(chan struct{}), ended: make(chan struct{})}
		w.jobs = append(w.jobs, j)
		w.write("begin", j)
		w.wg.Go(func() { w.run(j) })
		return []*worldJob{j}
	case "ask":
		found = nil
		for _, n := range r.Numbers {
			found = append(found, w.jobs[n])
		}
	case "cancel":
		for _, j := range found {
			if j.State == executor.Running {
				j.State = executor.Canceled
				w.write("canceled", j)
				close(j.cancel)
			}
		}
	}
	return found
}

// run takes a job to its end.
func (w *world) run(j *worldJob) {
	defer close(j.ended)
	timer := time.NewTimer(time.Duration(rand.IntN(12)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-j.cancel:
		return
	case <-timer.C:
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if j.State == executor.Running {
		j.State = executor.Succeeded
		w.write("end", j)
	}
}

func (w *world) write(what string, j *worldJob) {
	fmt.Fprintf(w.witness, "%s %s %d %s\n", what, j.Key, j.Attempt, j.Kind)
	_ = w.witness.Sync()
}

// orphans counts the jobs that are not over.
func (w *world) orphans() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, j := range w.jobs {
		if j.State == executor.Running {
			n++
		}
	}
	return n
}

// deed is a line of the witness.
type deed struct {
	what, key, kind string
	attempt         int
}

func (w *world) deeds(t testing.TB) []deed {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, "witness"))
	require.NoError(t, err)
	var deeds []deed
	for line := range strings.Lines(string(text)) {
		var d deed
		_, err := fmt.Sscan(line, &d.what, &d.key, &d.attempt, &d.kind)
		require.NoError(t, err, line)
		deeds = append(deeds, d)
	}
	return deeds
}

// client is the driver's end of the world, in another process.
type client struct{ socket, kind string }

func (c client) ask(ctx context.Context, r request) ([]worldJob, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", c.socket)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })()
	line, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Write(append(line, '\n')); err != nil {
		return nil, err
	}
	var jobs []worldJob
	err = json.NewDecoder(conn).Decode(&jobs)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return jobs, err
}

func (c client) about(do string, op *executor.Operation) request {
	return request{Do: do, Kind: c.kind, Name: jobName(op), Key: op.Run + "/" + op.Step, Who: op.Instance + "." + op.Name, Attempt: op.Attempt}
}

func jobName(op *executor.Operation) string { return fmt.Sprintf("%s.%d", op.ID, op.Attempt) }

func (c client) Name() string { return c.kind }

// Accepts takes the operations whose file has the kind for its extension.
func (c client) Accepts(op *executor.Operation) bool {
	return op.Primary != nil && path.Ext(op.Primary.Path) == "."+c.kind
}

func (j worldJob) status() executor.Status {
	data, _ := json.Marshal(j)
	s := executor.Status{State: j.State, Handle: executor.Handle{Data: data}}
	if j.State == executor.Succeeded {
		s.Outputs = map[string]any{"who": j.Who}
	}
	return s
}

// batchDriver is for jobs of the batch system, which makes of two submissions
// of one name one job (kind "batch"), or two ("queue").
type batchDriver struct{ client }

func (d batchDriver) Start(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	r := d.about("submit", op)
	r.Once = d.kind == "batch"
	// Whether it was submitted must be known, whatever happens to ctx.
	jobs, err := d.ask(context.WithoutCancel(ctx), r)
	if err != nil {
		return executor.Status{}, err
	}
	jobs[0].State = executor.Running
	return jobs[0].status(), nil
}

func (d batchDriver) Poll(ctx context.Context, handles []executor.Handle) ([]executor.Status, error) {
	r := request{Do: "ask"}
	for _, h := range handles {
		var j worldJob
		if err := json.Unmarshal(h.Data, &j); err != nil {
			return nil, err
		}
		r.Numbers = append(r.Numbers, j.Number)
	}
	jobs, err := d.ask(ctx, r)
	if err != nil {
		return nil, err
	}
	statuses := make([]executor.Status, len(jobs))
	for i, j := range jobs {
		statuses[i] = j.status()
		statuses[i].Handle = handles[i]
	}
	return statuses, nil
}

func (d batchDriver) Recover(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	jobs, err := d.ask(ctx, d.about("find", op))
	switch {
	case err != nil:
		return executor.Status{}, err
	case len(jobs) == 0:
		return executor.Status{State: executor.NotStarted}, nil
	}
	return jobs[0].status(), nil
}

func (d batchDriver) Cancel(ctx context.Context, h executor.Handle) error {
	var j worldJob
	if err := json.Unmarshal(h.Data, &j); err != nil {
		return err
	}
	_, err := d.ask(ctx, request{Do: "cancel", Name: j.Name})
	return err
}

// callRunner is for calls of the service that return when they have ended. Of
// the kind "call" the service remembers how they ended, of "blind" it does not.
type callRunner struct{ client }

func (d callRunner) Run(ctx context.Context, op *executor.Operation) (map[string]any, error) {
	r := d.about("submit", op)
	r.Wait = true
	jobs, err := d.ask(ctx, r)
	if ctx.Err() != nil {
		cancel := d.about("cancel", op)
		cancel.Wait = true
		if jobs, err = d.ask(context.WithoutCancel(ctx), cancel); err == nil {
			err = ctx.Err()
		}
	}
	if len(jobs) > 0 && jobs[0].State == executor.Succeeded {
		return jobs[0].status().Outputs, nil
	}
	if err == nil {
		err = errors.New("the service says nothing")
	}
	return nil, err
}

// remembered is a callRunner that can ask.
type remembered struct{ callRunner }

func (d remembered) Recover(ctx context.Context, op *executor.Operation) (executor.Status, error) {
	r := d.about("find", op)
	r.Wait = true
	jobs, err := d.ask(ctx, r)
	switch {
	case err != nil:
		return executor.Status{}, err
	case len(jobs) == 0:
		return executor.Status{State: executor.NotStarted}, nil
	}
	return jobs[0].status(), nil
}
