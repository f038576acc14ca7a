package ssh

import (
	"context"
	"encoding/json"
	"io"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pkg/sftp"

	"github.com/seed-a4fd30b5/orchestrator/drivers/internal/script"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/executor"
)

// onHost are the handles of one host.
type onHost struct {
	host    transport.Host
	handles []executor.Handle
	data    []handle
	known   []known
}

// group sorts handles by host, in the order in which the hosts first appear.
func (d *Driver) group(handles []executor.Handle) []*onHost {
	var groups []*onHost
	byHost := map[string]*onHost{}
	for _, h := range handles {
		var data handle
		if err := json.Unmarshal(h.Data, &data); err != nil || data.Dir == "" {
			continue // not a handle of this driver's
		}
		k := d.lookUp(h.Operation, data)
		key, _ := json.Marshal(k.host)
		g := byHost[string(key)]
		if g == nil {
			g = &onHost{host: k.host}
			byHost[string(key)] = g
			groups = append(groups, g)
		}
		g.handles = append(g.handles, h)
		g.data = append(g.data, data)
		g.known = append(g.known, k)
	}
	return groups
}

func (d *Driver) pollHost(ctx context.Context, g *onHost) ([]executor.Status, error) {
	client, err := d.pool.Get(ctx, g.host)
	if err != nil {
		return nil, err
	}
	defer client.Release()
	dirs := make([]string, len(g.data))
	for i, data := range g.data {
		dirs[i] = data.Dir
	}
	found, err := look(ctx, client, dirs)
	if err != nil {
		return nil, err
	}
	var statuses []executor.Status
	for i, r := range found {
		s := executor.Status{State: executor.Running}
		switch r.state {
		case stateRunning:
		case stateNone:
			s = executor.Status{State: executor.Lost, Err: lost(g.data[i].Script)}
		default:
			if s, err = d.ended(ctx, g.handles[i].Operation, g.known[i], g.data[i]); err != nil {
				return statuses, err
			}
		}
		s.Handle = g.handles[i]
		statuses = append(statuses, s)
	}
	return statuses, nil
}

// ended collects the outcome of an operation that has ended.
func (d *Driver) ended(ctx context.Context, operation string, k known, h handle) (executor.Status, error) {
	client, err := d.pool.Get(ctx, k.host)
	if err != nil {
		return executor.Status{}, err
	}
	defer client.Release()
	res, err := shell(ctx, client, tellProgram, "dir", h.Dir)
	if err != nil {
		return executor.Status{}, err
	}
	words := ""
	if res.state == stateExited && res.code != 0 {
		ftp, err := client.SFTP(ctx)
		if err != nil {
			return executor.Status{}, err
		}
		for _, name := range []string{"stderr", "stdout"} {
			if words = lastWords(ftp, path.Join(h.Dir, name), k.redact); words != "" {
				break
			}
		}
	}
	d.forget(operation)
	d.keep(k.host, h.Dir)
	return statusOf(ctx, res, h.Script, words), nil
}

// lastWords returns the last lines of a file on a host; "" where there are none.
func lastWords(ftp *sftp.Client, name string, redact *strings.Replacer) string {
	f, err := ftp.OpenFile(name, os.O_RDONLY)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from := max(0, info.Size()-16<<10)
	lines := script.NewLines(io.Discard, redact)
	_, _ = io.Copy(lines, io.NewSectionReader(f, from, info.Size()-from))
	_ = lines.Close()
	return lines.Tail()
}

const (
	// collect is how long folders to be removed are collected, so that one
	// session removes many.
	collect = 5 * time.Second
	// keepDays is how many days the folder of an ended operation stays that
	// nobody has asked for, since the process that began it was killed.
	keepDays = 7
	// trusted is for how long it means that an operation never began when its
	// host has no folder of it. It is shorter than keepDays.
	trusted = 5 * 24 * time.Hour
)

// kept is the folder of an ended operation.
type kept struct {
	host transport.Host
	dir  string
}

// keep leaves the folder of an ended operation until its outcome is recorded:
// Recover needs it, should this process crash before.
func (d *Driver) keep(host transport.Host, dir string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept[path.Base(dir)] = kept{host, dir}
}

// trash are the folders on one host that are to be removed.
type trash struct {
	host  transport.Host
	dirs  []string
	timer *time.Timer
}

// discard removes an operation's folder after a while.
func (d *Driver) discard(host transport.Host, dir string) {
	if d.config.KeepFiles {
		return
	}
	key, _ := json.Marshal(host)
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.trash[string(key)]
	if t == nil {
		t = &trash{host: host}
		d.trash[string(key)] = t
		d.wg.Add(1)
		t.timer = time.AfterFunc(collect, func() {
			defer d.wg.Done()
			d.take(string(key))
		})
	}
	if !slices.Contains(t.dirs, dir) {
		t.dirs = append(t.dirs, dir)
	}
}

// rescue takes a folder that is used again out of the trash.
func (d *Driver) rescue(host transport.Host, dir string) {
	key, _ := json.Marshal(host)
	d.mu.Lock()
	defer d.mu.Unlock()
	if t := d.trash[string(key)]; t != nil {
		t.dirs = slices.DeleteFunc(t.dirs, func(other string) bool { return other == dir })
	}
}

// take empties the trash of one host.
func (d *Driver) take(key string) {
	d.mu.Lock()
	t := d.trash[key]
	delete(d.trash, key)
	d.mu.Unlock()
	if t == nil || len(t.dirs) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	client, err := d.pool.Get(ctx, t.host)
	if err == nil {
		defer client.Release()
		_, err = shell(ctx, client, lookFor(removeProgram, t.dirs), "base", d.config.WorkDir, "days", strconv.Itoa(keepDays))
	}
	if err != nil {
		d.config.Logger.Warn("cannot remove the folders of ended operations", "host", t.host.String(), "folders", len(t.dirs), "error", err)
	}
}

// empty empties the trash of all hosts at once.
func (d *Driver) empty() {
	d.mu.Lock()
	keys := make([]string, 0, len(d.trash))
	for key, t := range d.trash {
		if t.timer.Stop() {
			keys = append(keys, key)
		}
	}
	d.mu.Unlock()
	for _, key := range keys {
		go func() {
			defer d.wg.Done()
			d.take(key)
		}()
	}
}
