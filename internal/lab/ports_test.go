package lab

import (
	"io"
	"net"
	"slices"
	"strconv"
	"testing"
	"time"
)

func TestReservedPorts(t *testing.T) {
	t.Parallel()
	p, err := ReservePorts(50)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(p.Numbers)
	if len(slices.Compact(p.Numbers)) != 50 {
		t.Fatalf("some are twice: %v", p.Numbers)
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(p.Numbers[0]))
	listen := func() (io.Closer, error) { return net.Listen("tcp", address) }
	mark := func() (io.Closer, error) { return net.ListenPacket("udp", address) }
	if err := soon(listen); err != nil {
		t.Fatal("a server cannot have it:", err)
	}
	if c, err := mark(); err == nil {
		_ = c.Close()
		t.Fatal("another test could have it")
	}
	p.Close()
	if err := soon(mark); err != nil {
		t.Fatal("it is not given back:", err)
	}
}

// soon opens a socket whose port was closed just now: a process that another
// test is starting has it until it executes its program.
func soon(open func() (io.Closer, error)) error {
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		c, err := open()
		if err == nil {
			return c.Close()
		}
		if time.Now().After(deadline) {
			return err
		}
	}
}
