package pbs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// commands are the names that the binary answers to.
var commands = map[string]func(*call) int{
	"qsub": (*call).qsub, "qstat": (*call).qstat, "qselect": (*call).qselect, "qdel": (*call).qdel,
	"qhold": (*call).qhold, "qrls": (*call).qrls, "qsig": (*call).qsig, "qrerun": (*call).qrerun, "pbsnodes": (*call).pbsnodes,
}

// Main runs the command whose name the process was started by, and ends the
// process; it returns where that is none of the commands.
func Main() {
	name := filepath.Base(os.Args[0])
	if name == "pbs_mom" {
		os.Exit(mom(os.Args[1:]))
	}
	run, ok := commands[name]
	if !ok {
		return
	}
	c := &call{name: name, dir: os.Getenv(environment), args: os.Args[1:]}
	code := 0
	err := with(c.dir, func(s *state) {
		c.state = s
		if s.Options.Down && (len(c.args) == 0 || c.args[0] != "--version") {
			code = c.down()
			return
		}
		code = run(c)
	})
	if err != nil {
		code = c.fail(1, "%v", err)
	}
	os.Exit(code)
}

// call is one run of a command.
type call struct {
	name, dir string
	args      []string
	state     *state
}

func (c *call) torque() bool { return c.state.Options.Flavour == Torque }

func (c *call) fail(code int, format string, args ...any) int {
	fmt.Fprintf(os.Stderr, c.name+": "+format+"\n", args...)
	return code
}

// down is what the commands say without a server.
func (c *call) down() int {
	if c.torque() {
		return c.fail(111, "cannot connect to server %s (errno=111) Connection refused", server)
	}
	fmt.Fprintln(os.Stderr, "Connection refused")
	return c.fail(162, "cannot connect to server %s (errno=15010)", server)
}

// parse separates options from operands. values are the letters of options that
// take one; flags those that do not.
func parse(args []string, values, flags string) (options [][2]string, operands []string, err error) {
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if len(arg) < 2 || arg[0] != '-' {
			operands = append(operands, args[i:]...)
			break
		}
		letter := arg[1:2]
		switch {
		case strings.Contains(values, letter) && len(arg) > 2:
			options = append(options, [2]string{letter, arg[2:]})
		case strings.Contains(values, letter):
			if i++; i == len(args) {
				return nil, nil, fmt.Errorf("option requires an argument -- '%s'", letter)
			}
			options = append(options, [2]string{letter, args[i]})
		case strings.Contains(flags, letter):
			for _, l := range arg[1:] {
				options = append(options, [2]string{string(l), ""})
			}
		default:
			return nil, nil, fmt.Errorf("invalid option -- '%s'", letter)
		}
	}
	return options, operands, nil
}
