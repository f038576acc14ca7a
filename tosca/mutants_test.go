package tosca

import (
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"gopkg.in/yaml.v3"
)

// mutants names the variable that says how many templates TestMutants makes.
const mutants = "ORCHESTRATOR_MUTANTS"

// TestMutants spoils templates of the suites in one to three places, and wants
// of each mutant what FuzzLoad wants. It reaches what the fuzzer seldom does:
// templates that are sound as YAML, and unsound in the meaning of one word.
// A million takes some 15 minutes of two processors:
//
//	ORCHESTRATOR_MUTANTS=1000000 go test ./tosca -run TestMutants -timeout 2h
func TestMutants(t *testing.T) {
	t.Parallel()
	total := 2000
	if text := os.Getenv(mutants); text != "" {
		var err error
		total, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	stock := mutable(t)
	var next atomic.Int64
	var group errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			for seed := next.Add(1); seed <= int64(total); seed = next.Add(1) {
				m := stock.mutant(uint64(seed))
				func() {
					defer func() {
						if p := recover(); p != nil {
							t.Errorf("mutant %d, of %s: %v\n%s\n%s", seed, m.name, p, m.fsys[m.mutated].Data, debug.Stack())
						}
					}()
					if fault := checkLoad(m.fsys, m.entry, m.opts); fault != "" {
						t.Errorf("mutant %d, of %s: %s\n%s", seed, m.name, fault, m.fsys[m.mutated].Data)
					}
				}()
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
}

// original is a template that mutants are made of, with a mutant's file.
type original struct {
	name, entry, mutated string
	fsys                 fstest.MapFS
	opts                 *Options
}

type originals []original

// mutable lists the templates of the suites.
func mutable(t *testing.T) (list originals) {
	for _, c := range loadCases(t) {
		list = append(list, original{c.name, c.entry, "", c.fsys, &Options{SkipArtifactFiles: true, CheckInputs: true}})
	}
	require.NoError(t, filepath.WalkDir(filepath.Join("testdata", "conformance"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		c, err := parseConformanceCase(path)
		if err == nil {
			list = append(list, original{path, c.entry, "", c.fsys, c.options()})
		}
		return err
	}))
	return list
}

// mutant makes the mutant of a number.
func (list originals) mutant(seed uint64) original {
	for random := rand.New(rand.NewPCG(seed, 0)); ; {
		m, doc := list.pick(random)
		if doc == nil {
			continue
		}
		for range 1 + random.IntN(3) {
			list.mutate(random, doc)
		}
		data, err := yaml.Marshal(doc)
		if err != nil { // an alias of what is gone
			continue
		}
		m.fsys = maps.Clone(m.fsys)
		m.fsys[m.mutated] = &fstest.MapFile{Data: data}
		return m
	}
}

// pick chooses a file of a template; nil for one that is not YAML.
func (list originals) pick(random *rand.Rand) (original, *yaml.Node) {
	m := list[random.IntN(len(list))]
	names := slices.Sorted(maps.Keys(m.fsys))
	m.mutated = names[random.IntN(len(names))]
	var doc yaml.Node
	if yaml.Unmarshal(m.fsys[m.mutated].Data, &doc) != nil || doc.Kind != yaml.DocumentNode {
		return m, nil
	}
	return m, &doc
}

// strange are what may come in the place of anything.
var strange = []string{"null", "strange", "-1", "1.5", "true", "[]", "{}", "[ strange ]", "{ strange: -1 }",
	"{ $get_property: [ SELF, strange ] }", "{ get_attribute: [ HOST, strange ] }"}

// mutate removes or replaces something of a document, by something strange or
// by something of another template.
func (list originals) mutate(random *rand.Rand, doc *yaml.Node) {
	spots := spotsOf(doc, nil)
	if len(spots) == 0 {
		return
	}
	at := spots[random.IntN(len(spots))]
	key := at.in.Kind == yaml.MappingNode && at.i%2 == 0
	with := &yaml.Node{}
	switch random.IntN(4) {
	case 0:
		first, n := at.i, 1
		if at.in.Kind == yaml.MappingNode {
			first, n = at.i-at.i%2, 2
		}
		at.in.Content = slices.Delete(at.in.Content, first, first+n)
		return
	case 1:
		if _, other := list.pick(random); other != nil {
			if more := spotsOf(other, nil); len(more) > 0 {
				from := more[random.IntN(len(more))]
				with = from.in.Content[from.i]
			}
		}
	default:
		var other yaml.Node
		if err := yaml.Unmarshal([]byte(strange[random.IntN(len(strange))]), &other); err != nil {
			panic(err)
		}
		with = other.Content[0]
	}
	if with.Kind != 0 && (!key || with.Kind == yaml.ScalarNode) {
		at.in.Content[at.i] = with
	}
}

// spot is where a node stands.
type spot struct {
	in *yaml.Node
	i  int
}

func spotsOf(n *yaml.Node, list []spot) []spot {
	for i, c := range n.Content {
		if n.Kind != yaml.DocumentNode {
			list = append(list, spot{n, i})
		}
		list = spotsOf(c, list)
	}
	return list
}
