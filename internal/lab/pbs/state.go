package pbs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// server is the name behind the dot of IDs.
const server = "vm"

// state is the whole cluster, a file that every command locks, reads and writes.
type state struct {
	Options Options
	Closed  bool
	Next    int
	Jobs    []*job
	// Offline is what an operator has made of the node, Note why.
	Offline bool
	Note    string
}

type job struct {
	Number int
	Array  bool // the array itself
	Index  int  // of a task, else -1
	Limit  int  // of tasks at once
	Tasks  string

	Name, Owner, Queue, Script, Shell, Arguments string
	InitDir, WorkDir, Output                     string
	Variables                                    []string
	Resources                                    [][2]string
	Slots                                        int
	Walltime                                     time.Duration
	Rerunable                                    bool
	Mail                                         string
	Join                                         bool

	State    string // Q H W R S E C
	Hold     bool   // the user's
	Waits    []wait
	Before   []wait // the other side: beforeok and the like
	Begin    int64
	Exit     *int
	Substate int
	Comment  string
	Deleted  bool
	Over     bool // of its walltime
	Requeue  bool
	Starts   int

	Process, Supervisor                 int
	Created, Eligible, Started, Changed time.Time
	Ended                               time.Time
}

// wait is a dependency: a kind such as afterok, and the ID of a job. Late tells
// that the job had ended by then: Torque notices only then whether it is met.
type wait struct {
	Kind, ID string
	Late     bool
}

func (j *job) id() string {
	switch {
	case j.Array:
		return fmt.Sprintf("%d[].%s", j.Number, server)
	case j.Index >= 0:
		return fmt.Sprintf("%d[%d].%s", j.Number, j.Index, server)
	}
	return fmt.Sprintf("%d.%s", j.Number, server)
}

func (j *job) running() bool { return !j.Array && (j.State == "R" || j.State == "S" || j.State == "E") }
func (j *job) ended() bool   { return j.State == "C" }

// with runs work on the state under its lock, after what is due, and saves it.
func with(dir string, work func(*state)) error {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	path := filepath.Join(dir, "state.json")
	s := &state{}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, s)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	s.due(dir)
	work(s)
	s.due(dir)
	data, err = json.Marshal(s)
	if err == nil {
		err = os.WriteFile(path+".new", data, 0o600)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	return err
}

// find returns the jobs that an ID names: one, or an array; nil for none.
func (s *state) find(id string) *job {
	id, _, _ = strings.Cut(id, ".")
	for _, j := range s.Jobs {
		if have, _, _ := strings.Cut(j.id(), "."); have == id {
			return j
		}
	}
	return nil
}

func (s *state) tasks(array *job) []*job {
	var tasks []*job
	for _, j := range s.Jobs {
		if j.Number == array.Number && j.Index >= 0 {
			tasks = append(tasks, j)
		}
	}
	return tasks
}

// due does what time and events ask for: forgets, releases, deletes and starts jobs.
func (s *state) due(dir string) {
	now := time.Now()
	s.sumUp()                   // an array has ended before it is forgotten
	for again := true; again; { // what ends may make others start or end
		again = false
		for _, j := range s.Jobs {
			again = s.dependencies(j, now) || again
		}
	}
	for _, j := range s.Jobs {
		if j.State == "W" && now.Unix() >= j.Begin {
			j.State, j.Eligible = "Q", now
		}
	}
	s.sumUp()
	s.forget(now)
	if !s.Closed {
		s.start(dir, now)
	}
	s.sumUp()
}

// dependencies lets a job go, or ends it, once what it waits for has ended.
func (s *state) dependencies(j *job, now time.Time) bool {
	if j.State != "H" || len(j.Waits) == 0 || j.Index >= 0 {
		return false
	}
	open := false
	for _, w := range j.Waits {
		met, never := true, false
		if parent := s.find(w.ID); parent != nil {
			good := parent.Exit != nil && *parent.Exit == 0
			if parent.Array {
				good = true
				for _, t := range s.tasks(parent) {
					good = good && t.Exit != nil && *t.Exit == 0
				}
			}
			switch strings.TrimSuffix(w.Kind, "array") {
			case "after", "afterstart":
				met = parent.Starts > 0
			case "afterok":
				met, never = parent.ended() && good, parent.ended() && !good
			case "afternotok":
				met, never = parent.ended() && !good, parent.ended() && good
			default:
				met = parent.ended()
			}
		}
		if never && !(w.Late && s.Options.Flavour == Torque) {
			s.deleteDependent(j, w.ID, now)
			return true
		}
		open = open || !met
	}
	if open {
		return false
	}
	j.Waits = nil
	if !j.Hold {
		j.State, j.Eligible, j.Changed = "Q", now, now
		for _, t := range s.tasks(j) {
			t.Waits, t.State, t.Eligible, t.Changed = nil, "Q", now, now
		}
	}
	return true
}

// deleteDependent ends a job that can never run.
func (s *state) deleteDependent(j *job, on string, now time.Time) {
	for _, d := range append(s.tasks(j), j) {
		d.State, d.Changed = "C", now
		if s.Options.Flavour == Torque {
			code := 271
			d.Exit, d.Comment = &code, "Job deleted as result of dependency on job "+on
		} else {
			d.Substate, d.Ended = 92, now
		}
	}
}

// sumUp gives arrays their state.
func (s *state) sumUp() {
	for _, a := range s.Jobs {
		if !a.Array || a.State == "H" {
			continue
		}
		live, started, failed := 0, false, false
		a.Starts = 0
		for _, t := range s.tasks(a) {
			if !t.ended() {
				live++
			}
			started = started || t.Starts > 0
			failed = failed || t.ended() && (t.Exit == nil || *t.Exit != 0)
			if t.Ended.After(a.Ended) {
				a.Ended = t.Ended
			}
			if !t.Started.IsZero() && (a.Started.IsZero() || t.Started.Before(a.Started)) {
				a.Started = t.Started
			}
			a.Starts += t.Starts
		}
		switch {
		case live == 0 && a.State != "C":
			a.State, a.Changed = "C", time.Now()
			if s.Options.Flavour == OpenPBS && a.Substate != 91 {
				code := 0
				a.Substate, a.Comment = 92, "Job Array Began at "+began(a.Started)+" and finished"
				if failed {
					code = 1
					a.Substate, a.Comment = 93, "Job Array Began at "+began(a.Started)+" and failed"
				}
				a.Exit = &code
			}
		case live > 0 && started:
			a.State = "R"
		}
	}
}

// forget drops what the manager does not remember any more.
func (s *state) forget(now time.Time) {
	kept := s.Jobs[:0]
	for _, j := range s.Jobs {
		at := j.Changed
		old := j.ended() && now.Sub(at) > s.Options.KeepCompleted
		if s.Options.Flavour == OpenPBS {
			old = j.ended() && s.Options.NoHistory
		}
		if !old {
			kept = append(kept, j)
		}
	}
	s.Jobs = kept
}

// start starts waiting jobs in order, as far as there are slots.
func (s *state) start(dir string, now time.Time) {
	free := s.Options.Slots
	running := map[int]int{}
	if s.Offline {
		free = 0
	}
	for _, j := range s.Jobs {
		if j.running() {
			free -= j.Slots
			running[j.Number]++
		}
	}
	for _, j := range s.Jobs {
		if j.State != "Q" || j.Array || j.Limit > 0 && running[j.Number] >= j.Limit {
			continue
		}
		if j.Slots > s.Options.Slots {
			j.Comment = fmt.Sprintf("Can Never Run: Insufficient amount of resource: ncpus (R: %d A: %d T: %d)", j.Slots, s.Options.Slots, s.Options.Slots)
			continue
		}
		if j.Slots > free {
			if s.Options.Flavour == Torque {
				j.Comment = "Not Running: Not enough of the right type of nodes are available"
			} else {
				j.Comment = "Not Running: Insufficient amount of resource: ncpus"
			}
			continue
		}
		free -= j.Slots
		running[j.Number]++
		j.State, j.Started, j.Changed, j.Substate = "R", now, now, 42
		j.Starts++
		j.Comment = "Job started on " + began(now)
		if s.Options.Flavour == OpenPBS {
			j.Comment = fmt.Sprintf("Job run at %s on (%s:ncpus=%d)", began(now), server, j.Slots)
		}
		supervise(dir, j)
	}
}

func began(t time.Time) string { return t.Format("Mon Jan 02 at 15:04") }

// whoami is the account that runs the command.
func whoami() string {
	if me, err := user.Current(); err == nil {
		return me.Username
	}
	return "nobody"
}
