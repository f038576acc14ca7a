package hpc

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// piece is how much of a file goes into the log at a time, while the job runs.
const piece = 256 << 10

// sizes prints the sizes of what jobs print: directory, file and size.
const sizes = `xargs -0 sh -c 'find "$@" -maxdepth 1 \( -name "stdout*" -o -name "stderr*" \) -type f -printf "%h\t%f\t%s\n" 2>/dev/null; true' sh`

// tail puts what jobs have printed since into their operations' logs. The
// offsets live in memory: a process that recovers a job tells its output from
// the beginning, into the new process's log.
func (d *Driver) tail(ctx context.Context, c *cluster, all []*watched) error {
	byDir := map[string]*watched{}
	var dirs strings.Builder
	for _, w := range all {
		if w.job != nil && w.watch != nil && w.watch.log != nil && !w.watch.full && w.status == nil && !w.job.Started.IsZero() {
			byDir[w.data.Dir] = w
			dirs.WriteString(w.data.Dir + "\x00")
		}
	}
	if len(byDir) == 0 {
		return nil
	}
	r, err := c.shell.Run(ctx, Command{Args: []string{"sh", "-c", sizes}, Stdin: []byte(dirs.String())})
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(r.Stdout)) {
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(fields) != 3 || byDir[fields[0]] == nil {
			continue
		}
		size, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil || !printed(fields[1], byDir[fields[0]].data.Tasks > 0) {
			continue
		}
		if byDir[fields[0]].watch.full {
			continue
		}
		if err := d.follow(ctx, c, byDir[fields[0]], fields[1], size); err != nil {
			return err
		}
	}
	return nil
}

// printed tells whether a file is one that a job, or a task of an array, prints
// to, and not one of the user's with a name like that.
func printed(name string, task bool) bool {
	name, index, isTask := strings.Cut(name, ".")
	if _, err := strconv.Atoi(index); isTask != task || isTask && err != nil {
		return false
	}
	return name == "stdout" || name == "stderr"
}

// follow puts what is new in one file into the log, as far as the job's share of
// the log has room.
func (d *Driver) follow(ctx context.Context, c *cluster, w *watched, name string, size int64) error {
	from := w.watch.offsets[name]
	if size < from {
		from = 0 // the manager has started the job anew, and that its files
	}
	room := d.config.MaxLog - w.watch.logged
	to := min(size, from+room)
	if !w.job.State.Ended() {
		to = min(to, from+piece)
	}
	if size <= from {
		return nil
	}
	if room <= 0 {
		return w.watch.fill(w.data.Dir)
	}
	var text bytes.Buffer
	n, err := c.shell.ReadAt(ctx, path.Join(w.data.Dir, name), from, to-from, &text)
	if err != nil {
		return err
	}
	out := text.Bytes()
	if w.data.Tasks > 0 {
		// Lines of many tasks: whole ones, with the index.
		if end := bytes.LastIndexByte(out, '\n') + 1; end > 0 && !w.job.State.Ended() {
			out, n = out[:end], int64(end)
		}
		_, index, _ := strings.Cut(name, ".")
		out = prefixed("["+index+"] ", out)
	}
	cut := int64(len(out)) > room // by the indexes in front
	if cut {
		out = out[:room]
	}
	w.watch.offsets[name] = from + n
	w.watch.logged += int64(len(out))
	if _, err = w.watch.log.Write(out); err == nil && (cut || from+n < size && w.watch.logged >= d.config.MaxLog) {
		err = w.watch.fill(w.data.Dir)
	}
	return err
}

// fill ends what the log tells of a job's output.
func (w *watch) fill(dir string) error {
	w.full = true
	_, err := fmt.Fprintf(w.log, "\n(the rest is in %s)\n", dir)
	return err
}

func prefixed(prefix string, text []byte) []byte {
	var b bytes.Buffer
	for line := range bytes.Lines(text) {
		b.WriteString(prefix)
		b.Write(line)
		if !bytes.HasSuffix(line, []byte("\n")) {
			b.WriteByte('\n')
		}
	}
	return b.Bytes()
}
