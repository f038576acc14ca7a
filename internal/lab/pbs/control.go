package pbs

import (
	"syscall"
	"time"
)

// each runs work for the jobs that the operands name and returns the last code
// that is not 0.
func (c *call) each(operands []string, work func(j *job) int) int {
	code := 0
	for _, id := range operands {
		j := c.state.find(id)
		if j == nil {
			code = c.unknown(id)
			continue
		}
		if n := work(j); n != 0 {
			code = n
		}
	}
	return code
}

// qualified is an ID as the managers repeat it.
func qualified(id string) string {
	for _, r := range id {
		if r == '.' {
			return id
		}
	}
	return id + "." + server
}

func (c *call) unknown(id string) int {
	switch {
	case c.torque() && c.name == "qdel":
		return c.fail(153, "nonexistent job id: %s", id)
	case c.torque():
		return c.fail(153, "Unknown Job Id Error %s", qualified(id))
	}
	return c.fail(153, "Unknown Job Id %s", qualified(id))
}

func (c *call) finished(j *job) int { return c.fail(35, "Job has finished %s", j.id()) }

func (c *call) qdel() int {
	_, operands, err := parse(c.args, "Wmt", "pxa")
	if err != nil {
		return c.fail(2, "%v", err)
	}
	return c.each(operands, func(j *job) int {
		switch {
		case j.ended() && c.torque():
			return c.fail(170, "Request invalid for state of job MSG=invalid state for job - COMPLETE %s", j.id())
		case j.ended():
			return c.finished(j)
		}
		targets := []*job{j}
		if j.Array {
			targets = append(targets, c.state.tasks(j)...)
		}
		for _, t := range targets {
			if t.running() && c.torque() && t.Deleted { // with the server's job_nanny
				return c.fail(156, "Invalid request MSG=job cancel in progress %s", t.id())
			}
			if t.running() && c.torque() && c.state.Options.QdelFailures > 0 {
				c.state.Options.QdelFailures--
				return c.fail(224, "Server could not connect to MOM %s", t.id())
			}
			c.delete(t)
		}
		return 0
	})
}

func (c *call) delete(j *job) {
	switch {
	case j.ended():
	case j.running():
		j.Deleted = true
		c.terminate(j)
	case j.Array && c.state.live(j):
	default:
		now := time.Now()
		if j.State == "Q" {
			j.Ended = now
		}
		j.State, j.Changed, j.Substate = "C", now, 91
	}
}

// live tells whether a task of an array runs.
func (s *state) live(array *job) bool {
	for _, t := range s.tasks(array) {
		if t.running() {
			return true
		}
	}
	return false
}

// terminate tells the supervisor to end a job. One that has not begun yet sees
// by the job itself what is wanted.
func (c *call) terminate(j *job) {
	if j.Supervisor > 0 {
		_ = syscall.Kill(j.Supervisor, syscall.SIGTERM)
	}
}

func (c *call) qhold() int {
	_, operands, err := parse(c.args, "h", "")
	if err != nil {
		return c.fail(2, "%v", err)
	}
	return c.each(operands, func(j *job) int {
		if j.ended() || j.running() {
			return c.badState(j)
		}
		for _, t := range append(c.state.tasks(j), j) {
			if t.State == "Q" || t.State == "W" || t.State == "H" {
				t.Hold, t.State, t.Substate, t.Changed = true, "H", 20, time.Now()
			}
		}
		return 0
	})
}

func (c *call) qrls() int {
	_, operands, err := parse(c.args, "h", "")
	if err != nil {
		return c.fail(2, "%v", err)
	}
	return c.each(operands, func(j *job) int {
		switch {
		case j.ended() && c.torque():
			return c.fail(70, "The requested state or substate can't be set from the job's current state (slot limit in effect). %s", j.id())
		case j.ended():
			return c.finished(j)
		}
		for _, t := range append(c.state.tasks(j), j) {
			t.Hold = false
			if t.State == "H" && len(t.Waits) == 0 {
				t.State, t.Substate, t.Eligible = "Q", 10, time.Now()
			}
		}
		return 0
	})
}

func (c *call) qsig() int {
	options, operands, err := parse(c.args, "s", "")
	if err != nil || len(options) != 1 {
		return c.fail(2, "usage: qsig [-s signal] job_identifier...")
	}
	return c.each(operands, func(j *job) int {
		switch name := options[0][1]; {
		case name == "suspend" && j.State == "R" && j.Process > 0:
			j.State, j.Substate = "S", 45
			_ = syscall.Kill(-j.Process, syscall.SIGSTOP)
		case name == "resume" && j.State == "S":
			j.State, j.Substate = "R", 42
			_ = syscall.Kill(-j.Process, syscall.SIGCONT)
		default:
			return c.badState(j)
		}
		return 0
	})
}

func (c *call) qrerun() int {
	return c.each(c.args, func(j *job) int {
		if j.State != "R" || !j.Rerunable {
			return c.badState(j)
		}
		j.Requeue = true
		c.terminate(j)
		return 0
	})
}

func (c *call) badState(j *job) int {
	switch {
	case j.ended() && !c.torque():
		return c.finished(j)
	case c.torque():
		return c.fail(170, "Request invalid for state of job MSG=job %s is in a bad state %s", j.id(), j.id())
	}
	return c.fail(168, "Request invalid for state of job %s", j.id())
}
