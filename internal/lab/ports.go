package lab

import (
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"strconv"
)

// Ports are TCP ports on 127.0.0.1 for servers that cannot say on which port
// the system has let them listen. Until Close no other test, in whatever
// process, gets the same, even while nobody listens.
type Ports struct {
	Numbers []int
	marks   []io.Closer
}

// The system takes those for outgoing connections, and for port 0, from 32768
// on; see ip(7), ip_local_port_range.
const firstPort, endOfPorts = 10000, 32768

// ReservePorts finds n ports that nobody listens on.
func ReservePorts(n int) (*Ports, error) {
	p := &Ports{}
	for try := 0; len(p.Numbers) < n; try++ {
		if try == 100+10*n {
			p.Close()
			return nil, errors.New("there are no free ports")
		}
		port := firstPort + rand.IntN(endOfPorts-firstPort)
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
		// The mark for others: the server itself uses TCP.
		mark, err := net.ListenPacket("udp", address)
		if err != nil {
			continue
		}
		l, err := net.Listen("tcp", address)
		if err != nil {
			_ = mark.Close()
			continue
		}
		_ = l.Close()
		p.Numbers, p.marks = append(p.Numbers, port), append(p.marks, mark)
	}
	return p, nil
}

// Close gives the ports back.
func (p *Ports) Close() {
	for _, m := range p.marks {
		_ = m.Close()
	}
}
