package lab

import (
	"net"
	"slices"
	"strconv"
	"testing"
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
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal("a server cannot have it:", err)
	}
	_ = l.Close()
	if mark, err := net.ListenPacket("udp", address); err == nil {
		_ = mark.Close()
		t.Fatal("another test could have it")
	}
	p.Close()
	mark, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Fatal("it is not given back:", err)
	}
	_ = mark.Close()
}
