package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

func newEvents(io stdio) *cobra.Command {
	f := &instanceFlags{io: io}
	var r reading
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Tell what has happened, and what happens",
		Long: `Print the events of all runs, each with its number: also while another process
deploys. With --follow it waits for more (and for the first deployment) until it is
interrupted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			show, err := r.printer(io.out, eventLine)
			if err != nil {
				return err
			}
			return f.read(cmd.Context(), r, show)
		},
	}
	f.addState(cmd)
	r.add(cmd)
	cmd.Flags().Uint64Var(&r.opts.After, "after", 0, "only events with a higher number")
	cmd.Flags().BoolVar(&r.opts.Logs, "logs", false, "also what operations print")
	return cmd
}

func newLogs(io stdio) *cobra.Command {
	f := &instanceFlags{io: io}
	var r reading
	cmd := &cobra.Command{
		Use:   "logs [OPERATION|NODE]",
		Short: "Print what operations have printed",
		Long: `Print what operations have printed in all runs, or in those of one operation (by
its ID in "opera events -f json", or as web_0.create) or of one node (web, or
web_0): also while another process deploys. With --follow it waits for more (and for
the first deployment) until it is interrupted.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			show, err := r.printer(io.out, logLines)
			if err != nil {
				return err
			}
			r.opts.Logs = true
			return f.read(cmd.Context(), r, func(ev executor.Event) error {
				if ev.Kind != executor.OperationLog || len(args) == 1 && !concerns(ev, args[0]) {
					return nil
				}
				return show(ev)
			})
		},
	}
	f.addState(cmd)
	r.add(cmd)
	return cmd
}

// concerns tells whether an event is about an operation or a node.
func concerns(ev executor.Event, name string) bool {
	source, _, _ := strings.Cut(ev.Instance, "--") // operations of relationships belong to their source, too
	node := source
	if i := strings.LastIndexByte(source, '_'); i >= 0 {
		node = source[:i]
	}
	switch name {
	case ev.OperationID, ev.Instance, source, node, ev.Instance + "." + ev.Operation, node + "." + ev.Operation:
		return true
	}
	return false
}

// reading is what to read of the events, and how to print it.
type reading struct {
	opts   executor.EventOptions
	format string
}

func (r *reading) add(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&r.opts.Follow, "follow", false, "wait for more until interrupted")
	cmd.Flags().StringVarP(&r.format, "format", "f", "text", "output format: text, or json for one object a line")
}

// printer returns what prints an event. Colours are for terminals.
func (r *reading) printer(out io.Writer, text func(ev executor.Event, colour bool) string) (func(executor.Event) error, error) {
	switch r.format {
	case "json":
		enc := json.NewEncoder(out)
		return func(ev executor.Event) error { return enc.Encode(ev) }, nil
	case "text":
		file, ok := out.(*os.File)
		colour := ok && term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == ""
		return func(ev executor.Event) error {
			_, err := io.WriteString(out, text(ev, colour))
			return err
		}, nil
	}
	return nil, usagef("there is no format %q; use text or json", r.format)
}

// eventLine is an event as people read it, such as
// "2026-01-02T15:04:05.000Z   12 operation-started web_0 Standard.create".
func eventLine(ev executor.Event, colour bool) string {
	if ev.Kind == executor.OperationLog {
		return logLines(ev, colour)
	}
	words := []string{ev.Time.Format("2006-01-02T15:04:05.000Z07:00"), fmt.Sprintf("%4d", ev.Seq), string(ev.Kind)}
	add := func(format, word string) {
		if word != "" {
			words = append(words, fmt.Sprintf(format, word))
		}
	}
	add("%s", ev.RunKind)
	add("%s", ev.Instance)
	if ev.Operation != "" {
		add("%s", ev.Interface+"."+ev.Operation)
	}
	if ev.Attempt > 1 {
		words = append(words, fmt.Sprintf("(attempt %d)", ev.Attempt))
	}
	add("on %s", ev.Host)
	add("%s", ev.Attribute)
	add("%s", ev.State)
	add("(%s)", ev.Detail)
	add("because of %s", ev.Cause)
	add("%s", strings.ReplaceAll(strings.TrimRight(ev.Err, "\n"), "\n", "\n    "))
	line := printable(strings.Join(words, " "))
	switch {
	case !colour:
	case ev.Err != "":
		line = red + line + reset
	case ev.State == string(executor.Succeeded):
		line = green + line + reset
	}
	return line + "\n"
}

// logLines are a piece of output, with whose it is before each line.
func logLines(ev executor.Event, colour bool) string {
	name := ev.Instance + "." + ev.Operation
	if ev.Instance == "" {
		name = ev.OperationID
	}
	if ev.Attempt > 1 {
		name += fmt.Sprintf("#%d", ev.Attempt)
	}
	if colour {
		name = yellow + name + reset
	}
	var b strings.Builder
	for line := range strings.Lines(ev.Log) {
		fmt.Fprintf(&b, "%s | %s\n", name, printable(strings.TrimRight(line, "\r\n")))
	}
	return b.String()
}

// printable keeps what other programs printed from steering the terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' || r == 0x7f {
			return ' '
		}
		return r
	}, text)
}

// addState adds the flags that say where the state lies.
func (f *instanceFlags) addState(cmd *cobra.Command) {
	f.addPath(cmd)
	_ = cmd.Flags().MarkHidden("verbose") // xOpera's commands all have it
}

// followEvery is how often a file is looked at. One that has changed costs a copy
// of it while another process holds it: 10 ms for 1,000 events, 50 ms for 100,000
// (BenchmarkReadBeside).
const followEvery = time.Second

// read reads events and, with Follow, goes on until ctx ends.
func (f *instanceFlags) read(ctx context.Context, r reading, each func(executor.Event) error) error {
	if !r.opts.Follow {
		return f.readOnce(ctx, &r.opts, each)
	}
	var seen os.FileInfo
	for {
		opts := r.opts
		// A database tells of what happens; the file of another process has to be
		// read again where it has changed, and let go of at once.
		opts.Follow = f.store != ""
		changed := true
		if f.store == "" {
			info, err := os.Stat(f.stateFile())
			changed = err != nil || seen == nil || !info.ModTime().Equal(seen.ModTime()) || info.Size() != seen.Size()
			seen = info
		}
		if changed {
			err := f.readOnce(ctx, &opts, each)
			code := executor.CodeOf(err)
			switch {
			case ctx.Err() != nil:
				return nil // interrupted, as was to be
			case errors.Is(err, errNoState), code == executor.NotFound, code == executor.Conflict, code == executor.Unavailable && f.store == "":
				seen = nil // there is nothing yet, or it changes too fast at the moment
			case err != nil:
				return err
			}
			r.opts.After, r.opts.AfterLog = opts.After, opts.AfterLog
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followEvery):
		}
	}
}

func (f *instanceFlags) stateFile() string {
	dir := f.path
	if dir == "" {
		dir = ".opera"
	}
	return filepath.Join(dir, stateFile)
}

// pageSize is how many events are read from a file before they are printed.
const pageSize = 10_000

// readOnce reads events and moves opts behind them. It needs no drivers and no
// key: secrets are no part of events. Of a file it takes a part and lets go of it
// before that is printed: nobody can write to it meanwhile, and a pager or a
// terminal may take as long as it likes.
func (f *instanceFlags) readOnce(ctx context.Context, opts *executor.EventOptions, each func(executor.Event) error) error {
	if f.store != "" {
		return f.readStore(ctx, opts, each)
	}
	for {
		var page []executor.Event
		err := f.readStore(ctx, opts, func(ev executor.Event) error {
			if page = append(page, ev); len(page) == pageSize {
				return errFull
			}
			return nil
		})
		for _, ev := range page {
			if err := each(ev); err != nil {
				return err
			}
		}
		if !errors.Is(err, errFull) {
			return err
		}
	}
}

var errFull = errors.New("the page is full")

// readStore reads from the open store.
func (f *instanceFlags) readStore(ctx context.Context, opts *executor.EventOptions, each func(executor.Event) error) error {
	dir, err := f.folder(false)
	if err != nil {
		return err
	}
	store, err := f.openStore(dir, false, true)
	if err != nil {
		return err
	}
	defer store.Close()
	engine, err := executor.New(executor.Config{Store: store})
	if err != nil {
		return err
	}
	defer engine.Close()
	for ev, err := range engine.Events(ctx, deployment, *opts) {
		if err != nil {
			return err
		}
		opts.After, opts.AfterLog = max(opts.After, ev.Seq), max(opts.AfterLog, ev.LogSeq)
		if err := each(ev); err != nil {
			return err
		}
	}
	return nil
}
