// Package arrows holds the module to its design: which package may import
// which, and what each must document. It has tests only.
package arrows

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/seed-a4fd30b5/orchestrator"

// room is a row of the table of arrows. A package belongs to the row with the
// longest path that it lies in, and may import what lies in its own row's path,
// in the rows of may, and the libraries of libs beside the standard library.
type room struct {
	path string
	may  []string
	libs []string
}

// rooms are the arrows of the design: csar, tosca, workflow, executor, drivers,
// each only to its left, beside state and internal. The root package is "".
var rooms = []room{
	{path: "", may: []string{}},
	{path: "csar", may: inner},
	{path: "tosca", may: inner},
	{path: "workflow", may: all("csar", "tosca", "state")},
	{path: "state", may: inner},
	{path: "state/memory", may: all("state")},
	{path: "state/bolt", may: all("state"), libs: []string{"go.etcd.io/bbolt"}},
	{path: "state/postgres", may: all("state"), libs: []string{"github.com/jackc/pgx"}},
	{path: "state/statetest", may: all("state"), libs: append(testLibs, "golang.org/x/sync")},
	{path: "executor", may: all("csar", "tosca", "workflow", "state"), libs: []string{"github.com/hashicorp/go-hclog", "golang.org/x/sync", "go.opentelemetry.io/otel"}},
	{path: "executor/rest", may: all(leftOfDrivers...), libs: []string{"github.com/danielgtaylor/huma", "github.com/coreos/go-oidc", "github.com/hashicorp/go-hclog"}},
	{path: "executor/river", may: all(leftOfDrivers...), libs: []string{"github.com/riverqueue/river", "github.com/jackc/pgx", "github.com/hashicorp/go-hclog"}},
	{path: "drivers", may: all()},
	{path: "drivers/internal", may: all(leftOfDrivers...), libs: driverLibs},
	{path: "drivers/drivertest", may: all(append([]string{"drivers/hpc"}, leftOfDrivers...)...), libs: append(driverLibs, testLibs...)},
	{path: "drivers/local", may: all(driverMay...), libs: driverLibs},
	{path: "drivers/ansible", may: all(driverMay...), libs: driverLibs},
	{path: "drivers/ssh", may: all(driverMay...), libs: append(driverLibs, sshLibs...)},
	{path: "drivers/hpc", may: all(driverMay...), libs: append(driverLibs, sshLibs...)},
	{path: "drivers/slurm", may: all(driverMay...), libs: driverLibs},
	{path: "drivers/torque", may: all(driverMay...), libs: driverLibs},
	{path: "drivers/openstack", may: all(driverMay...), libs: append(driverLibs, "github.com/gophercloud/gophercloud")},
	{path: "examples", may: all(append([]string{"drivers"}, leftOfDrivers...)...), libs: []string{
		"github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/hashicorp/go-hclog", "golang.org/x/term", "golang.org/x/sync"}},
	{path: "internal", may: inner},
	{path: "internal/yamlx", may: inner, libs: []string{"gopkg.in/yaml.v3"}},
	{path: "internal/lab", may: inner, libs: append(sshLibs, testLibs...)},
}

// The lists that rows share. Their capacity is their length, so that each
// append makes a new one.
var (
	inner         = []string{"internal"}
	leftOfDrivers = []string{"csar", "tosca", "workflow", "executor", "state"}
	// Drivers do not call each other, except what the workload managers share
	// and the SSH transport.
	driverMay  = append([]string{"drivers/internal", "drivers/hpc", "drivers/ssh"}, leftOfDrivers...)
	driverLibs = []string{"github.com/hashicorp/go-hclog", "golang.org/x/sync"}
	sshLibs    = []string{"golang.org/x/crypto", "github.com/pkg/sftp", "github.com/skeema/knownhosts"}
	testLibs   = []string{"github.com/stretchr/testify", "github.com/google/go-cmp", "github.com/rogpeppe/go-internal",
		"pgregory.net/rapid", "go.uber.org/goleak"}
	// support are packages for tests: only tests and each other import them.
	support = []string{"state/statetest", "drivers/drivertest", "internal/lab"}
)

func all(paths ...string) []string { return append(append([]string{}, inner...), paths...) }

// pkg is what go list tells of a package; Imports leaves tests out.
type pkg struct {
	ImportPath string
	Standard   bool
	Imports    []string
}

// wrong returns the imports that the table does not allow, one line each.
func wrong(pkgs []pkg) []string {
	standard := map[string]bool{"C": true}
	for _, p := range pkgs {
		standard[p.ImportPath] = p.Standard
	}
	var faults []string
	for _, p := range pkgs {
		from, ours := inModule(p.ImportPath)
		if !ours {
			continue
		}
		r, ok := roomOf(from)
		if !ok {
			faults = append(faults, fmt.Sprintf("%s: the table of arrows has no row for this package", from))
			continue
		}
		for _, imported := range p.Imports {
			if standard[imported] {
				continue
			}
			if why := r.refuses(from, imported); why != "" {
				faults = append(faults, fmt.Sprintf("%s imports %s: %s", from, imported, why))
			}
		}
	}
	return faults
}

// refuses says why a package of the room must not import another; "" if it may.
func (r room) refuses(from, imported string) string {
	to, ours := inModule(imported)
	switch {
	case !ours && !within(imported, r.libs):
		return fmt.Sprintf("the library is not in the row %q", r.path)
	case !ours:
		return ""
	case within(to, []string{"examples"}):
		if program(from) == program(to) {
			return ""
		}
		return "nothing imports an example"
	case within(to, support) && !within(from, support):
		return "only tests use it"
	case r.path != "" && within(to, []string{r.path}):
		return ""
	case !within(to, r.may):
		return fmt.Sprintf("the arrow is not in the row %q", r.path)
	}
	return ""
}

// program is the folder of an example.
func program(path string) string {
	parts := strings.SplitN(path, "/", 3)
	if parts[0] != "examples" || len(parts) < 2 {
		return ""
	}
	return parts[1]
}

func inModule(importPath string) (string, bool) {
	if importPath == module {
		return "", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

func within(path string, roots []string) bool {
	for _, root := range roots {
		if path == root || strings.HasPrefix(path, root+"/") {
			return true
		}
	}
	return false
}

func roomOf(path string) (room, bool) {
	best, found := room{}, false
	for _, r := range rooms {
		if path == r.path || r.path != "" && within(path, []string{r.path}) {
			if !found || len(r.path) > len(best.path) {
				best, found = r, true
			}
		}
	}
	return best, found
}

// list runs go list for all packages of the module and those they need.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports", "./...")
	cmd.Dir = moduleFolder(t)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	var pkgs []pkg
	for dec := json.NewDecoder(out); ; {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		pkgs = append(pkgs, p)
	}
	require.NoError(t, cmd.Wait())
	return pkgs
}

// moduleFolder is two levels up: tests run in the folder of their package.
func moduleFolder(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	require.FileExists(t, filepath.Join(dir, "go.mod"))
	return dir
}

func TestArrows(t *testing.T) {
	t.Parallel()
	pkgs := list(t)
	require.Greater(t, len(pkgs), 20)
	for _, fault := range wrong(pkgs) {
		t.Error(fault)
	}
}

// TestWrongArrowsAreFound makes sure that TestArrows can fail.
func TestWrongArrowsAreFound(t *testing.T) {
	t.Parallel()
	const none = ""
	tests := []struct{ from, to, want string }{
		{"tosca", "fmt", none},
		{"tosca", module + "/internal/yamlx", none},
		{"tosca", module + "/tosca/profile", none},
		{"tosca/profile", module + "/tosca", none},
		{"tosca", module + "/csar", `the arrow is not in the row "tosca"`},
		{"tosca", module + "/state", `the arrow is not in the row "tosca"`},
		{"tosca", module + "/executor", `the arrow is not in the row "tosca"`},
		{"tosca", "gopkg.in/yaml.v3", `the library is not in the row "tosca"`},
		{"tosca/parser", "github.com/hashicorp/go-hclog", `the library is not in the row "tosca"`},
		{"csar", module + "/tosca", `the arrow is not in the row "csar"`},
		{"csar", "gopkg.in/yaml.v3", `the library is not in the row "csar"`},
		{"internal/yamlx", "gopkg.in/yaml.v3", none},
		{"internal/errs", "gopkg.in/yaml.v3", `the library is not in the row "internal"`},
		{"internal/errs", module + "/tosca", `the arrow is not in the row "internal"`},
		{"workflow", module + "/tosca", none},
		{"workflow", module + "/executor", `the arrow is not in the row "workflow"`},
		{"state", module + "/tosca", `the arrow is not in the row "state"`},
		{"state/bolt", "go.etcd.io/bbolt", none},
		{"state/bolt", "go.etcd.io/bbolt/errors", none},
		{"state/memory", "go.etcd.io/bbolt", `the library is not in the row "state/memory"`},
		{"state/memory", module + "/workflow", `the arrow is not in the row "state/memory"`},
		{"executor", module + "/drivers/local", `the arrow is not in the row "executor"`},
		{"executor/rest", module + "/drivers/local", `the arrow is not in the row "executor/rest"`},
		{"executor", "github.com/stretchr/testify/require", `the library is not in the row "executor"`},
		{"drivers/ansible", module + "/drivers/ssh", none},
		{"drivers/ansible", module + "/drivers/local", `the arrow is not in the row "drivers/ansible"`},
		{"drivers/ansible", module + "/drivers/drivertest", "only tests use it"},
		{"drivers/local", module + "/internal/lab", "only tests use it"},
		{"drivers/drivertest", module + "/internal/lab", none},
		{"drivers/drivertest", "pgregory.net/rapid", none},
		{"drivers/local", "go.uber.org/goleak", `the library is not in the row "drivers/local"`},
		{"drivers/newone", module + "/executor", `the arrow is not in the row "drivers"`},
		{"state/statetest", "github.com/stretchr/testify/require", none},
		{"examples/opera", module + "/drivers/ssh", none},
		{"examples/opera", module + "/examples/opera/internal/view", none},
		{"examples/opera", module + "/examples/server", "nothing imports an example"},
		{"executor", module + "/examples/server", "nothing imports an example"},
		{"", module + "/tosca", `the arrow is not in the row ""`},
		{"toscanini", "fmt", "the table of arrows has no row for this package"},
	}
	for _, tt := range tests {
		from := strings.TrimSuffix(module+"/"+tt.from, "/")
		faults := wrong([]pkg{{ImportPath: from, Imports: []string{tt.to}}, {ImportPath: "fmt", Standard: true}})
		if tt.want == none {
			require.Empty(t, faults)
			continue
		}
		require.Len(t, faults, 1, "%s imports %s", tt.from, tt.to)
		require.Contains(t, faults[0], tt.want)
	}
}
