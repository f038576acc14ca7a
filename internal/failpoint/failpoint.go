// Package failpoint has named places in the code where a test ends the process,
// as a crash would: in front of and behind everything that a crash must not tear
// apart.
//
// The places are compiled into every program and cost one atomic load. Nothing
// arms them but a call, so no environment and no input can end a program. A
// place that is not in the list does not compile, and a test can run over All:
// none is forgotten.
package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// Point is a named place.
type Point uint8

// The places of the engine: its writes to the store and its calls of drivers,
// each in front and behind.
const (
	BeforeCreate Point = iota
	AfterCreate
	BeforePutBlob
	AfterPutBlob
	BeforeAcquire
	AfterAcquire
	BeforeRenew
	AfterRenew
	BeforeRelease
	AfterRelease
	BeforeCommit
	AfterCommit
	BeforeDelete
	AfterDelete
	BeforeStart
	AfterStart
	BeforePoll
	AfterPoll
	BeforeRecover
	AfterRecover
	BeforeCancel
	AfterCancel
	BeforeForget
	AfterForget
	points // how many there are
)

var names = [points]string{
	BeforeCreate: "before-create", AfterCreate: "after-create",
	BeforePutBlob: "before-put-blob", AfterPutBlob: "after-put-blob",
	BeforeAcquire: "before-acquire", AfterAcquire: "after-acquire",
	BeforeRenew: "before-renew", AfterRenew: "after-renew",
	BeforeRelease: "before-release", AfterRelease: "after-release",
	BeforeCommit: "before-commit", AfterCommit: "after-commit",
	BeforeDelete: "before-delete", AfterDelete: "after-delete",
	BeforeStart: "before-start", AfterStart: "after-start",
	BeforePoll: "before-poll", AfterPoll: "after-poll",
	BeforeRecover: "before-recover", AfterRecover: "after-recover",
	BeforeCancel: "before-cancel", AfterCancel: "after-cancel",
	BeforeForget: "before-forget", AfterForget: "after-forget",
}

// String is the name.
func (p Point) String() string {
	if p >= points {
		return "failpoint(" + strconv.Itoa(int(p)) + ")"
	}
	return names[p]
}

// All lists the points.
func All() []Point {
	all := make([]Point, points)
	for i := range all {
		all[i] = Point(i)
	}
	return all
}

// arming is what was asked for: do at the n-th pass of a point.
type arming struct {
	point Point
	left  atomic.Int64
	do    func()
}

// armed is the one thing that is armed in this process; nil for nothing.
var armed atomic.Pointer[arming]

// Pass is called where the point is.
func Pass(p Point) {
	if a := armed.Load(); a != nil && a.point == p && a.left.Add(-1) == 0 {
		a.do()
	}
}

// Arm has do called at the n-th pass of a point from now on, counted from 1, in
// the goroutine that passes it. It replaces what was armed before; a nil do arms
// nothing.
func Arm(p Point, n int, do func()) {
	if do == nil {
		armed.Store(nil)
		return
	}
	a := &arming{point: p, do: do}
	a.left.Store(int64(n))
	armed.Store(a)
}

// Kill ends this process at once, as "kill -9" does: nothing is flushed,
// deferred or released.
func Kill() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGKILL)
	}
	if err != nil {
		panic("failpoint: cannot kill this process: " + err.Error())
	}
	select {} // the signal may take a moment
}

// Parse reads what a test gives to its child process: "NAME=N", to be armed by
// the child with Arm. The N may be missing and is 1 then.
func Parse(text string) (p Point, n int, err error) {
	name, count, given := strings.Cut(text, "=")
	if n = 1; given {
		if n, err = strconv.Atoi(count); err != nil || n < 1 {
			return 0, 0, fmt.Errorf("failpoint %q: %q is not a number of passes", text, count)
		}
	}
	for i, known := range names {
		if known == name {
			return Point(i), n, nil
		}
	}
	return 0, 0, fmt.Errorf("there is no failpoint %q", name)
}
