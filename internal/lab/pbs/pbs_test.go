package pbs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab/pbs"
)

func TestMain(m *testing.M) {
	pbs.Main()
	os.Exit(m.Run())
}

// recordings of the real managers: TAG.out, and .err and .rc where not empty or 0.
const recordings = "../../../drivers/torque/testdata"

type answer struct {
	out, err string
	code     int
}

// run runs a command of a cluster.
func run(t *testing.T, c *pbs.Cluster, stdin string, args ...string) answer {
	t.Helper()
	cmd := exec.Command(filepath.Join(c.Bin, args[0]), args[1:]...)
	cmd.Env = []string{"HOME=" + t.TempDir()}
	for name, value := range c.Env() {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out, errors bytes.Buffer
	cmd.Dir, cmd.Stdin, cmd.Stdout, cmd.Stderr = t.TempDir(), strings.NewReader(stdin), &out, &errors
	_ = cmd.Run()
	return answer{out.String(), errors.String(), cmd.ProcessState.ExitCode()}
}

func recorded(t *testing.T, flavour pbs.Flavour, tag string) answer {
	t.Helper()
	read := func(extension string) string {
		text, err := os.ReadFile(filepath.Join(recordings, string(flavour), tag+extension))
		if err != nil {
			return ""
		}
		return string(text)
	}
	code, _ := strconv.Atoi(strings.TrimSpace(read(".rc")))
	return answer{read(".out"), read(".err"), code}
}

// What is refused is refused in the words and with the codes of the real ones.
func TestWordsOfRefusal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		flavour pbs.Flavour
		tag     string
		stdin   string
		args    []string
	}{
		{pbs.Torque, "version", "", []string{"qstat", "--version"}},
		{pbs.Torque, "qsub-badqueue", "true\n", []string{"qsub", "-q", "nope"}},
		{pbs.Torque, "qsub-baddep", "true\n", []string{"qsub", "-W", "depend=afterok:99999"}},
		{pbs.Torque, "qsub-badres", "true\n", []string{"qsub", "-l", "nodes=1:ppn=99"}},
		{pbs.Torque, "qsub-badopt", "true\n", []string{"qsub", "-l", "walltime=abc"}},
		{pbs.Torque, "qsub-noscript", "", []string{"qsub", "nofile.sh"}},
		{pbs.Torque, "qdel-unknown", "", []string{"qdel", "99999"}},
		{pbs.Torque, "qdel-unknown2", "", []string{"qdel", "99999.vm"}},
		{pbs.Torque, "qstat-x-unknown", "", []string{"qstat", "-x", "99999"}},
		{pbs.OpenPBS, "version", "", []string{"qstat", "--version"}},
		{pbs.OpenPBS, "qsub-badqueue", "true\n", []string{"qsub", "-q", "nope"}},
		{pbs.OpenPBS, "qsub-noscript", "", []string{"qsub", "nofile.sh"}},
		{pbs.OpenPBS, "qdel-unknown", "", []string{"qdel", "99999"}},
	} {
		t.Run(string(c.flavour)+"/"+c.tag, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, recorded(t, c.flavour, c.tag), run(t, pbs.Start(t, pbs.Options{Flavour: c.flavour}), c.stdin, c.args...))
		})
	}
}

var ownNumber = regexp.MustCompile(`\b\d+\.vm`)

// So is what comes too late; the recordings are of other numbers.
func TestWordsForEndedJobs(t *testing.T) {
	t.Parallel()
	for flavour, tags := range map[pbs.Flavour]map[string]string{
		pbs.Torque:  {"qdel-completed": "qdel", "qrls-completed": "qrls", "qrerun": "qrerun"},
		pbs.OpenPBS: {"qdel-completed": "qdel", "qstat-finished-nox": "qstat -f"},
	} {
		t.Run(string(flavour), func(t *testing.T) {
			t.Parallel()
			c := pbs.Start(t, pbs.Options{Flavour: flavour})
			id := ended(t, c, "exit 0\n")
			for tag, command := range tags {
				want, got := recorded(t, flavour, tag), run(t, c, "", append(strings.Fields(command), id)...)
				want.err = ownNumber.ReplaceAllString(want.err, "N.vm")
				got.err = ownNumber.ReplaceAllString(got.err, "N.vm")
				require.Equal(t, want, got, tag)
			}
		})
	}
}

// ended submits a job and waits for its end.
func ended(t *testing.T, c *pbs.Cluster, script string, options ...string) string {
	t.Helper()
	submitted := run(t, c, script, append([]string{"qsub"}, options...)...)
	require.Zero(t, submitted.code, submitted.err)
	id := strings.TrimSpace(submitted.out)
	require.Eventually(t, func() bool {
		text := run(t, c, "", "qstat", "-x", "-f", id).out
		return strings.Contains(text, "job_state = F") || strings.Contains(text, "<job_state>C<")
	}, time.Minute, 20*time.Millisecond)
	return id
}

// What qstat shows has the same attributes as with the real ones.
func TestSameAttributes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tag     string
		script  string
		options []string
	}{
		{"completed", "exit 0\n", []string{"-N", "ok"}},
		{"failed-exit3", "exit 3\n", []string{"-N", "fail3"}},
		{"walltime-exceeded", "sleep 60\n", []string{"-N", "wall", "-l", "walltime=1"}},
	} {
		for flavour, form := range map[pbs.Flavour]string{pbs.Torque: "qstat-x", pbs.OpenPBS: "qstat-xfjson"} {
			t.Run(string(flavour)+"/"+c.tag, func(t *testing.T) {
				t.Parallel()
				cluster := pbs.Start(t, pbs.Options{Flavour: flavour, KillDelay: 100 * time.Millisecond})
				id := ended(t, cluster, c.script, c.options...)
				want := recorded(t, flavour, c.tag+"."+form)
				var got answer
				if flavour == pbs.Torque {
					got = run(t, cluster, "", "qstat", "-x", id)
				} else {
					got = run(t, cluster, "", "qstat", "-x", "-f", "-F", "json", id)
				}
				// Which of them are there depends on what else is in the queue, on
				// how long the job ran, and on the site's environment.
				dropped := []string{"depend", "session_id", "PBS_O_INTERACTIVE_AUTH_METHOD", "PBS_O_INTERACTIVE_ENCRYPT_METHOD"}
				drop := func(names []string) []string {
					return slices.DeleteFunc(names, func(n string) bool { return slices.Contains(dropped, n[strings.LastIndex(n, "/")+1:]) })
				}
				require.Equal(t, drop(names(t, flavour, want.out)), drop(names(t, flavour, got.out)))
			})
		}
	}
}

var element = regexp.MustCompile(`<([A-Za-z_]+)>`)

// names returns the attributes in what qstat printed: of XML in their order.
func names(t *testing.T, flavour pbs.Flavour, text string) []string {
	t.Helper()
	if flavour == pbs.Torque {
		var all []string
		for _, m := range element.FindAllStringSubmatch(text, -1) {
			all = append(all, m[1])
		}
		return all
	}
	var answer struct{ Jobs map[string]map[string]any }
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	var all []string
	for _, job := range answer.Jobs {
		for name, value := range job {
			all = append(all, name)
			if group, ok := value.(map[string]any); ok {
				for _, member := range slices.Sorted(maps.Keys(group)) {
					all = append(all, name+"/"+member)
				}
			}
		}
	}
	slices.Sort(all)
	return all
}

// The bug of Torque: qstat for an array shows all jobs, and with -t its tasks.
func TestQstatOfAnArray(t *testing.T) {
	t.Parallel()
	c := pbs.Start(t, pbs.Options{})
	require.Equal(t, "0.vm\n", run(t, c, "true\n", "qsub").out)
	require.Equal(t, "1[].vm\n", run(t, c, "true\n", "qsub", "-t", "0-1").out)
	require.Equal(t, []string{"0.vm", "1[].vm"}, ids(run(t, c, "", "qstat", "-x", "1[].vm").out))
	require.Equal(t, []string{"1[0].vm", "1[1].vm"}, ids(run(t, c, "", "qstat", "-x", "-t", "1[].vm").out))
	mixed := run(t, c, "", "qstat", "-x", "99999", "0")
	require.Equal(t, 153, mixed.code)
	require.Equal(t, []string{"0.vm"}, ids(mixed.out), "the others are printed")
}

func ids(text string) []string {
	var all []string
	for _, m := range regexp.MustCompile(`<Job_Id>([^<]*)<`).FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

func Example() {
	// In TestMain: pbs.Main(). In a test: cluster := pbs.Start(t, pbs.Options{}).
	fmt.Println(pbs.Torque, pbs.OpenPBS)
	// Output: torque openpbs
}
