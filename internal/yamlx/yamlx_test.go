package yamlx

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCoreSchema(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		typ  ScalarType
		data any
	}{
		{"yes", String, "yes"},
		{"on", String, "on"},
		{"true", Bool, true},
		{"~", Null, nil},
		{"", Null, nil},
		{`""`, String, ""},
		{"12:00:00", String, "12:00:00"},
		{"00:10:00", String, "00:10:00"},
		{"0777", Int, int64(777)},
		{"0o17", Int, int64(15)},
		{"0x1F", Int, int64(31)},
		{"-7", Int, int64(-7)},
		{"1_000", String, "1_000"},
		{"1e3", Float, 1000.0},
		{".5", Float, 0.5},
		{"1.3", Float, 1.3},
		{"1.2.3", String, "1.2.3"},
		{"2020-04-08", String, "2020-04-08"},
		{"12 GB", String, "12 GB"},
		{`"12"`, String, "12"},
		{"!!str 12", String, "12"},
		{"0o-7", String, "0o-7"},
		{"99999999999999999999", Float, 1e20},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			t.Parallel()
			n, faults := Parse([]byte("k: "+tt.text+"\n"), Limits{})
			require.Empty(t, faults)
			v := n.Get("k")
			require.Equal(t, tt.typ, v.Type)
			require.Equal(t, tt.data, v.Data)
		})
	}
	n, _ := Parse([]byte("k: .nan"), Limits{})
	require.True(t, math.IsNaN(n.Get("k").Data.(float64)))
}

func TestPositions(t *testing.T) {
	t.Parallel()
	src := "ключ: \"a\\\"b\" # c\nlist: [one, two]\nmap:\n  k: v w \n  text: |\n    x\n"
	n, faults := Parse([]byte(src), Limits{})
	require.Empty(t, faults)
	at := func(n *Node) string {
		return fmt.Sprintf("%d:%d-%d:%d", n.Start.Line, n.Start.Column, n.End.Line, n.End.Column)
	}
	require.Equal(t, "1:1-1:5", at(n.Fields[0].Key))
	require.Equal(t, "1:7-1:13", at(n.Get("ключ")))
	require.Equal(t, "2:7-2:17", at(n.Get("list")))
	require.Equal(t, "2:13-2:16", at(n.Get("list").Items[1]))
	require.Equal(t, "4:6-4:9", at(n.Get("map").Get("k")))
	require.Equal(t, "5:9-5:10", at(n.Get("map").Get("text")))
}

func TestFaults(t *testing.T) {
	t.Parallel()
	bomb := "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'k'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c,", c-1), 10), ","))
	}
	tests := []struct {
		name, src string
		want      string
		kind      FaultKind
	}{
		{"duplicate key", "a: 1\nb: 2\na: 3\n", "3:1", DuplicateKey},
		{"duplicate among many", "a: 1\n" + strings.Join(strings.Split("b: 1,c: 1,d: 1,e: 1,f: 1,g: 1,h: 1,i: 1,j: 1,k: 1,l: 1,m: 1,n: 1,o: 1,p: 1,q: 1", ","), "\n") + "\na: 2\n", "18:1", DuplicateKey},
		{"syntax", "a:\n  b: 1\n c: 2\n", "3:2", Syntax},
		{"tab", "a:\n\tb: 1\n", "2:1", Syntax},
		{"alias cycle", "a: &a {b: *a}\n", "1:11", AliasCycle},
		{"unknown alias", "a: 1\nb: [x, *b]\n", "2:8", Syntax},
		{"character that begins nothing", "a: 1\nb: @x\n", "2:4", Syntax},
		{"second colon", "a: 1\nb: c: d\n", "2:5", Syntax},
		{"escape", "a: \"\\\\x \\q\"\n", "1:9", Syntax},
		{"open quote", "a: 1\nb: 'c\nd: e\n", "2:4", Syntax},
		{"open brackets", "a: 1\nb: {c: d\n", "2:4", Syntax},
		{"key far below the begin of its map", "a:\n  b:\n" + strings.Repeat("    - c\n", 20) + "   d: e\n", "23:4", Syntax},
		{"NUL", "a: 1\nb: x\x00y\n", "2:5", Syntax},
		{"control character", "a: ü\x01\n", "1:5", Syntax},
		{"C1 control character", "a: \u0080\n", "1:4", Syntax},
		{"deep for the library", "a: " + strings.Repeat("[", 20000), "1:1", TooDeep},
		{"version of YAML", "%YAML 3.0\n---\na: b\n", "1:1", Syntax},
		{"too deep", strings.Repeat("[", 50) + strings.Repeat("]", 50), "1:21", TooDeep},
		{"bomb", bomb, "1:1", TooMany},
		{"two documents", "a: 1\n---\nb: 2\n", "2:1", SeveralDocs},
		{"map as key", "{[a]: 1}", "1:2", BadKey},
		{"merge of a scalar", "a:\n  <<: x\n", "2:7", BadKey},
		{"no text", "a: \xff\n", "1:4", Syntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, faults := Parse([]byte(tt.src), Limits{Depth: 20, Nodes: 100000})
			require.NotEmpty(t, faults)
			require.Equal(t, tt.kind, faults[0].Kind, faults[0])
			require.Equal(t, tt.want, fmt.Sprintf("%d:%d", faults[0].Start.Line, faults[0].Start.Column), faults[0].Message)
		})
	}
}

func TestMergeAndAlias(t *testing.T) {
	t.Parallel()
	n, faults := Parse([]byte("base: &b {x: 1, y: 2}\nother: &o {y: 5, z: 3}\nuse:\n  <<: [*b, *o]\n  x: 9\ncopy: *b\n"), Limits{Depth: 20, Nodes: 100})
	require.Empty(t, faults)
	require.Equal(t, map[string]any{"x": int64(9), "y": int64(2), "z": int64(3)}, n.Get("use").Value())
	require.Equal(t, map[string]any{"x": int64(1), "y": int64(2)}, n.Get("copy").Value())
}

func TestMapsAsKeys(t *testing.T) {
	t.Parallel()
	n, faults := Parse([]byte("a: &a {{f: x}: 1, b: 2}\nc: &c {<<: *a}\nd:\n  <<: [*a, *c]\n"), Limits{Depth: 20, Nodes: 100})
	require.Len(t, faults, 1)
	require.Equal(t, "1:8: a key must be a scalar, not a map", faults[0].Error())
	require.Equal(t, map[string]any{"f": "x"}, faults[0].Entry.Key.Value())
	require.Equal(t, int64(1), faults[0].Entry.Value.Value())
	require.Equal(t, []*Node{n.Get("a"), n.Get("c"), n.Get("d")}, faults[0].In)
	require.Equal(t, map[string]any{"b": int64(2)}, n.Get("d").Value())

	bomb := "a: &a {{f: 1}: 1}\n"
	for c := 'b'; c < 'z'; c++ {
		bomb += fmt.Sprintf("%c: &%c {{f: *%c}: *%c}\n", c, c, c-1, c-1)
	}
	_, faults = Parse([]byte(bomb), Limits{Depth: 50, Nodes: 100000})
	require.Equal(t, TooMany, faults[len(faults)-1].Kind)
}

func TestText(t *testing.T) {
	t.Parallel()
	utf16 := func(big bool, text string) []byte {
		var b []byte
		for _, r := range "\ufeff" + text {
			if big {
				b = append(b, byte(r>>8), byte(r))
			} else {
				b = append(b, byte(r), byte(r>>8))
			}
		}
		return b
	}
	for name, src := range map[string][]byte{
		"UTF-8": []byte("a: ü\nb: c\n"), "byte order mark": []byte("\ufeffa: ü\nb: c\n"),
		"UTF-16 little endian": utf16(false, "a: ü\nb: c\n"), "UTF-16 big endian": utf16(true, "a: ü\nb: c\n"),
		"CRLF": []byte("a: ü\r\nb: c\r\n"), "CR": []byte("a: ü\rb: c"),
		"YAML 1.2": []byte("%YAML 1.2\n---\na: ü\nb: c\n"), "YAML 1.2 below a comment": []byte("\ufeff# x\n\n%YAML  1.2 # y\n---\na: ü\nb: c\n"),
	} {
		n, faults := Parse(src, Limits{})
		require.Empty(t, faults, name)
		require.Equal(t, map[string]any{"a": "ü", "b": "c"}, n.Value(), name)
	}
	n, faults := Parse([]byte("a: ü\rb: c"), Limits{})
	require.Empty(t, faults)
	require.Equal(t, Pos{2, 4}, n.Get("b").Start)
	require.Equal(t, "%YAML 1.2", string(downgraded([]byte("a: |\n  x\n%YAML 1.2"))[9:]), "only before the document")
}

// Mappings of two keys that merge the one before them must not cost the square
// of their keys each: this took minutes.
func TestChainOfMerges(t *testing.T) {
	t.Parallel()
	src := strings.Builder{}
	src.WriteString("k0: &a0 {x0: 1}\n")
	for i := 1; i < 2000; i++ {
		fmt.Fprintf(&src, "k%d: &a%d {<<: *a%d, x%d: 1}\n", i, i, i-1, i)
	}
	n, faults := Parse([]byte(src.String()), Limits{Depth: 20, Nodes: 20_000_000})
	require.Empty(t, faults)
	require.Len(t, n.Get("k1999").Fields, 2000)
}

func TestEmpty(t *testing.T) {
	t.Parallel()
	n, faults := Parse(nil, Limits{})
	require.Nil(t, n)
	require.Empty(t, faults)
	require.True(t, n.IsNull())
	require.Nil(t, n.Get("x"))
}

func ExampleParse() {
	n, faults := Parse([]byte("walltime: 12:00:00\nwalltime: 1\n"), Limits{Depth: 100})
	fmt.Println(n.Get("walltime").Data, n.Get("walltime").Start)
	fmt.Println(faults[0])
	// Output:
	// 12:00:00 {1 11}
	// 2:1: the key "walltime" stands here for the second time
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"a: 1", "a: &a {b: *a}", "- [x, {y: 'z'}]", "\"a\\\"", "a: |\n  x", "<<: {a: b}", "? [a]\n: b"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		n, _ := Parse(src, Limits{Depth: 100, Nodes: 10000})
		if n != nil {
			n.Value()
		}
	})
}

func BenchmarkParse(b *testing.B) {
	var s strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&s, "node_%d:\n  type: tosca.nodes.Root\n  properties: {size: %d GB, name: \"n\"}\n", i, i)
	}
	src := []byte(s.String())
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if _, faults := Parse(src, Limits{Depth: 100, Nodes: 1 << 20}); len(faults) > 0 {
			b.Fatal(faults)
		}
	}
}
