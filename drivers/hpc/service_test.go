package hpc_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/drivers/slurm"
	"github.com/seed-a4fd30b5/orchestrator/drivers/ssh/transport"
	"github.com/seed-a4fd30b5/orchestrator/drivers/torque"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
	labslurm "github.com/seed-a4fd30b5/orchestrator/internal/lab/slurm"
)

// A cluster with an endpoint has its jobs submitted to the real slurmrestd, from
// the login node.
func TestJobThroughService(t *testing.T) {
	run := func(t *testing.T, where string, config hpc.Config, more map[string]any) {
		target, err := url.Parse(labslurm.Shared(t).REST)
		require.NoError(t, err)
		var submitted atomic.Int64
		forward := httputil.NewSingleHostReverseProxy(target)
		proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/job/submit") {
				submitted.Add(1)
			}
			forward.ServeHTTP(w, r)
		}))
		t.Cleanup(proxy.Close)
		b := newBench(t, service(`        endpoint: "`+proxy.URL+`"
`+where, `
        script: "echo hello from $GREETER"
        environment: { GREETER: slurmrestd }
        walltime: "00:02:00"`), nil, config)
		for name, value := range more {
			b.inputs[name] = value
		}
		require.NoError(t, b.deploy(t.Context()))
		require.Equal(t, "completed", b.outputs(t)["state"])
		require.Contains(t, b.log.String(), "hello from slurmrestd\n")
		require.EqualValues(t, 1, submitted.Load())
		_, err = b.engine.Undeploy(t.Context(), "d1", executor.Options{})
		require.NoError(t, err)
	}
	t.Run("local", func(t *testing.T) { run(t, here, hpc.Config{}, nil) })
	t.Run("ssh", func(t *testing.T) {
		server := lab.SSHD(t, lab.SSHDOptions{})
		run(t, overThere, hpc.Config{
			Transport: transport.Config{KeyFiles: []string{server.KeyFile}, KnownHosts: []string{server.KnownHosts}, AgentSocket: "none"}},
			map[string]any{"port": server.Port, "user": server.User})
	})
}

func TestOpenService(t *testing.T) {
	t.Parallel()
	factories := []hpc.Factory{torque.Factory(), slurm.Factory()}
	m, err := hpc.OpenService(t.Context(), hpc.Local(), "slurm", "http://127.0.0.1:6820", factories...)
	require.NoError(t, err)
	require.IsType(t, &slurm.REST{}, m)
	for name, c := range map[string]struct{ kind, endpoint, says string }{
		"no service":  {"torque", "http://127.0.0.1:6820", "no service to submit jobs to"},
		"no address":  {"slurm", "127.0.0.1:6820", "is no address such as"},
		"no such one": {"lsf", "http://127.0.0.1:6820", "known are auto, torque, slurm"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := hpc.OpenService(t.Context(), hpc.Local(), c.kind, c.endpoint, factories...)
			require.ErrorContains(t, err, c.says)
			require.Equal(t, executor.InvalidArgument, executor.CodeOf(err))
		})
	}
}

// A shell connects from its node: TCP and sockets, and not to what is not there.
func TestShellDial(t *testing.T) {
	listen := func(network, address string) (l net.Listener) {
		require.Eventually(t, func() bool { // a process that is being forked has the port for a moment
			var err error
			l, err = net.Listen(network, address)
			return err == nil
		}, time.Minute, time.Millisecond)
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				_, _ = conn.Write([]byte("hello"))
				conn.Close()
			}
		}()
		return l
	}
	eachShell(t, nil, func(t *testing.T, shell hpc.Shell) {
		ports, err := lab.ReservePorts(1) // nobody else listens on it later
		require.NoError(t, err)
		defer ports.Close()
		for _, l := range []net.Listener{listen("tcp", fmt.Sprintf("127.0.0.1:%d", ports.Numbers[0])), listen("unix", t.TempDir()+"/socket")} {
			conn, err := shell.Dial(t.Context(), l.Addr().Network(), l.Addr().String())
			require.NoError(t, err)
			said := make([]byte, 5)
			_, err = io.ReadFull(conn, said)
			require.NoError(t, err)
			require.Equal(t, "hello", string(said))
			require.NoError(t, conn.Close())
			require.NoError(t, l.Close())
			require.Eventually(t, func() bool {
				_, err := shell.Dial(t.Context(), l.Addr().Network(), l.Addr().String())
				return err != nil
			}, time.Minute, time.Millisecond)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = shell.Dial(ctx, "tcp", "127.0.0.1:1")
		require.Error(t, err)
	})
}

// A service on the cluster and an allocation are there while their nodes are
// started, and what is hosted on the allocation has its address.
func TestServiceOnCluster(t *testing.T) {
	const text = onCluster + `    service:
      type: hpc.nodes.Job
      properties: { script: "exec sleep 600", serves: true, tasks: 1 }
      requirements: [ { host: cluster } ]
    allocation:
      type: hpc.nodes.Allocation
      properties: { nodes: 2, walltime: "00:05:00" }
      requirements: [ { host: cluster } ]
  outputs:
    address: { value: { get_attribute: [ service, private_address ] } }
    allocated: { value: { get_attribute: [ allocation, private_address ] } }
    nodes: { value: { get_attribute: [ allocation, nodes_used ] } }
`
	b := newBench(t, text, nil, hpc.Config{})
	require.NoError(t, b.deploy(t.Context()))
	out := b.outputs(t)
	require.Regexp(t, `^n[1-3]$`, out["address"])
	require.Len(t, out["nodes"], 2)
	require.Equal(t, out["nodes"].([]any)[0], out["allocated"])
	queue, err := labslurm.Shared(t).Command(t.Context(), "squeue", "-h", "-t", "RUNNING", "-o", "%j %D")
	require.NoError(t, err)
	require.Contains(t, queue, "service_0 1\n")
	require.Contains(t, queue, "allocation_0 2\n")
	_, err = b.engine.Undeploy(t.Context(), "d1", executor.Options{})
	require.NoError(t, err)
	requireEmptyQueue(t)
}
