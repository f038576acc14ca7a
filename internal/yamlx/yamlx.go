// Package yamlx reads YAML into nodes that know where they stand. It is the
// only place that knows the YAML library, applies the core schema of YAML 1.2
// (so that yes, 12:00:00 and 0777 are what TOSCA authors expect) and refuses
// what a hostile file can do: duplicate keys, alias bombs, alias cycles and
// depth.
package yamlx

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Kind is the shape of a Node.
type Kind uint8

// The shapes.
const (
	Scalar Kind = iota
	Sequence
	Mapping
)

// String returns the word that people use for the shape.
func (k Kind) String() string {
	switch k {
	case Sequence:
		return "list"
	case Mapping:
		return "map"
	}
	return "scalar"
}

// ScalarType is what the core schema of YAML 1.2 says a plain scalar is.
type ScalarType uint8

// The types of scalars.
const (
	String ScalarType = iota
	Null
	Bool
	Int
	Float
)

// Pos is a place in a file; both count from 1, columns in characters.
type Pos struct{ Line, Column int }

// Node is a piece of YAML. Aliases are expanded, so one Node may stand in
// several places; nobody may change a Node.
type Node struct {
	Kind Kind
	// Type, Text and Data belong to scalars: the type, the text as written
	// (quotes and escapes undone), and nil, bool, int64, float64 or string.
	Type ScalarType
	Text string
	Data any
	// Items are the entries of a sequence, Fields those of a mapping in order
	// with merge keys expanded.
	Items  []*Node
	Fields []Field
	// Start and End frame the node; End is behind its last character. The End
	// of a block scalar is that of its first line, that of a collection its
	// last entry's.
	Start, End Pos
	// Tag is an explicit tag such as "!secret", or one of the YAML types that the
	// core schema does not have, !!binary and !!timestamp; empty for none.
	Tag string
	// size counts the nodes below and including this one, aliases expanded.
	size int
}

// Field is an entry of a mapping. Keys are scalars. A key that is a list of
// scalars is kept beside its Fault, with the Text "[a, b]": TOSCA 2.0 has such
// keys in a few places.
type Field struct{ Key, Value *Node }

// Get returns the value of a mapping's key, or nil.
func (n *Node) Get(key string) *Node {
	if n == nil {
		return nil
	}
	for i := range n.Fields {
		if n.Fields[i].Key.Text == key {
			return n.Fields[i].Value
		}
	}
	return nil
}

// IsNull tells whether the node is null or nil.
func (n *Node) IsNull() bool { return n == nil || n.Kind == Scalar && n.Type == Null }

// Holds tells whether a place is in the node as it is written.
func (n *Node) Holds(at Pos) bool {
	before := func(a, b Pos) bool { return a.Line < b.Line || a.Line == b.Line && a.Column < b.Column }
	return n != nil && !before(at, n.Start) && before(at, n.End)
}

// ItemsOf returns the entries of a list; none for anything else and for nil.
func (n *Node) ItemsOf() []*Node {
	if n == nil {
		return nil
	}
	return n.Items
}

// IsTrue tells whether the node is the boolean true.
func (n *Node) IsTrue() bool { return n != nil && n.Kind == Scalar && n.Data == true }

// Value returns the node as data: nil, bool, int64, float64, string, []any or
// map[string]any. Keys that are no strings are taken as written.
func (n *Node) Value() any {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case Sequence:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = item.Value()
		}
		return list
	case Mapping:
		m := make(map[string]any, len(n.Fields))
		for _, f := range n.Fields {
			m[f.Key.Text] = f.Value.Value()
		}
		return m
	}
	return n.Data
}

// Limits bound a document. Zero fields mean no bound.
type Limits struct {
	// Depth is how deep nodes may nest, Nodes how many there may be with
	// aliases expanded.
	Depth, Nodes int
	// Tags is how many tags that mean nothing here are told; none where it is zero.
	Tags int
}

// FaultKind is the kind of a Fault.
type FaultKind string

// The kinds of faults.
const (
	Syntax       FaultKind = "syntax"
	DuplicateKey FaultKind = "duplicate-key"
	BadKey       FaultKind = "bad-key"
	AliasCycle   FaultKind = "alias-cycle"
	TooDeep      FaultKind = "too-deep"
	TooMany      FaultKind = "too-many"
	SeveralDocs  FaultKind = "several-documents"
	UnknownTag   FaultKind = "unknown-tag"
)

// Fault is something wrong with the YAML itself.
type Fault struct {
	Kind       FaultKind
	Message    string
	Start, End Pos
	// Related is where the first of two duplicate keys stands; zero otherwise.
	Related Pos
	// Entry is the entry whose key is a map, for a BadKey of that kind; nil
	// otherwise. In are the mappings that it belongs to and that do not have it
	// among their Fields: the one where it stands, and those that merge that.
	Entry *Field
	In    []*Node
}

// Error returns "line:column: message".
func (f Fault) Error() string {
	return fmt.Sprintf("%d:%d: %s", f.Start.Line, f.Start.Column, f.Message)
}

// Parse reads one YAML document. The Node is nil where nothing could be read
// (an empty document, a syntax error, a bound exceeded); otherwise it is
// usable in spite of the faults.
func Parse(src []byte, lim Limits) (root *Node, faults []Fault) {
	src = Text(src)
	if fault, bad := unreadable(src); bad {
		return nil, []Fault{fault}
	}
	src = downgraded(src)
	dec := yaml.NewDecoder(bytes.NewReader(src))
	var doc yaml.Node
	if err := decode(dec, &doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, []Fault{syntaxFault(src, err)}
	}
	c := converter{lim: lim, lines: splitLines(src), done: map[*yaml.Node]*Node{}, open: map[*yaml.Node]bool{}}
	if len(doc.Content) > 0 {
		root = c.node(doc.Content[0], 1)
	}
	var next yaml.Node
	switch err := decode(dec, &next); {
	case errors.Is(err, io.EOF):
	case err != nil:
		c.faults = append(c.faults, syntaxFault(src, err))
	default:
		p := Pos{max(next.Line, 1), max(next.Column, 1)}
		c.fault(SeveralDocs, p, p, "a second YAML document begins here; only one is allowed in a file")
	}
	if root != nil && lim.Nodes > 0 && root.size > lim.Nodes {
		c.fault(TooMany, root.Start, root.Start, "the file has more than %d YAML nodes with its aliases expanded", lim.Nodes)
		c.over = true
	}
	if c.over {
		root = nil
	}
	return root, c.faults
}

// decode guards against panics of the YAML library on damaged input.
func decode(dec *yaml.Decoder, n *yaml.Node) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("yaml: %v", r)
		}
	}()
	return dec.Decode(n)
}

type converter struct {
	lim    Limits
	lines  []string
	done   map[*yaml.Node]*Node // anchored nodes
	mapped map[*Node][]int      // the faults whose Entry belongs to a mapping
	open   map[*yaml.Node]bool  // anchored nodes being converted
	tags   int                  // unknown tags that were told
	faults []Fault
	over   bool // a bound is exceeded
}

func (c *converter) fault(k FaultKind, start, end Pos, format string, args ...any) {
	if len(c.faults) < 1000 {
		c.faults = append(c.faults, Fault{Kind: k, Message: fmt.Sprintf(format, args...), Start: start, End: end})
	}
}

func (c *converter) node(y *yaml.Node, depth int) *Node {
	start := Pos{max(y.Line, 1), max(y.Column, 1)}
	if y.Kind == yaml.AliasNode {
		return c.alias(y, depth)
	}
	if y.Anchor != "" {
		if n := c.done[y]; n != nil {
			return n
		}
		c.open[y] = true
		defer delete(c.open, y)
	}
	n := &Node{Start: start, End: start, size: 1}
	if c.over || c.lim.Depth > 0 && depth > c.lim.Depth {
		if !c.over {
			c.over = true
			c.fault(TooDeep, start, start, "the YAML nests deeper than %d levels", c.lim.Depth)
		}
		n.Type = Null
		return n
	}
	switch y.Kind {
	case yaml.SequenceNode:
		n.Kind = Sequence
		n.Items = make([]*Node, 0, len(y.Content))
		for _, child := range y.Content {
			item := c.node(child, depth+1)
			n.Items = append(n.Items, item)
			n.size = addSize(n.size, item.size)
		}
		n.End = c.collectionEnd(y, n)
	case yaml.MappingNode:
		n.Kind = Mapping
		c.mapping(n, y, depth)
		n.End = c.collectionEnd(y, n)
	default:
		n.Text = y.Value
		n.Type, n.Data = resolve(y)
		n.End = c.scalarEnd(y, start)
	}
	if y.Style&yaml.TaggedStyle != 0 && (!strings.HasPrefix(y.Tag, "!!") || y.Tag == "!!binary" || y.Tag == "!!timestamp") {
		n.Tag = y.Tag
	}
	if y.Style&yaml.TaggedStyle != 0 && !knownTags[y.Tag] {
		c.unknownTag(y.Tag, n)
	}
	if y.Anchor != "" {
		c.done[y] = n
	}
	return n
}

// knownTags are the types of the core schema (YAML 1.2.2, section 10.3), the
// merge key, and what a Node tells in its Tag.
var knownTags = map[string]bool{"!!str": true, "!!null": true, "!!bool": true, "!!int": true, "!!float": true,
	"!!seq": true, "!!map": true, "!!merge": true, "!!binary": true, "!!timestamp": true}

// unknownTag tells of a tag of another program. What it marks is read as if the
// tag were not there.
func (c *converter) unknownTag(tag string, n *Node) {
	if c.tags >= c.lim.Tags {
		return
	}
	c.tags++
	what := "value"
	switch {
	case n.Kind != Scalar:
		what = n.Kind.String()
	case n.Type == String:
		what = "text"
	case n.Type == Null:
		what = "empty value"
	}
	at, end := n.Start, n.End
	if before, _, found := strings.Cut(c.rest(at), tag); found {
		at.Column += utf8.RuneCountInString(before)
		end = Pos{at.Line, at.Column + utf8.RuneCountInString(tag)}
	}
	c.fault(UnknownTag, at, end, "the YAML tag %s means nothing here and is ignored; the %s behind it is taken as written", tag, what)
}

// addSize adds without overflow: aliases of aliases multiply quickly.
func addSize(a, b int) int {
	if a > math.MaxInt/2-b {
		return math.MaxInt / 2
	}
	return a + b
}

func (c *converter) alias(y *yaml.Node, depth int) *Node {
	start := Pos{y.Line, y.Column}
	end := Pos{y.Line, y.Column + 1 + utf8.RuneCountInString(y.Value)}
	if c.open[y.Alias] {
		c.fault(AliasCycle, start, end, "the alias *%s stands inside what it repeats", y.Value)
		return &Node{Start: start, End: end, Type: Null, size: 1}
	}
	return c.node(y.Alias, depth)
}

func (c *converter) mapping(n *Node, y *yaml.Node, depth int) {
	m := fields{node: n}
	if len(y.Content) > 2*fewFields {
		m.seen = make(map[string]*Node, len(y.Content)/2)
	}
	n.Fields = make([]Field, 0, len(y.Content)/2)
	var merges []*Node
	for i := 0; i+1 < len(y.Content); i += 2 {
		key, value := c.node(y.Content[i], depth+1), c.node(y.Content[i+1], depth+1)
		switch {
		case key.Kind != Scalar:
			c.fault(BadKey, key.Start, key.End, "a key must be a scalar, not a %s", key.Kind)
			if key.Kind == Mapping {
				c.mappedKey(n, &Field{key, value})
			}
			if text, ok := listKey(key); ok && m.key(text) == nil {
				named := *key
				named.Text = text
				m.put(Field{&named, value})
			}
		case y.Content[i].Tag == "!!merge":
			merges = append(merges, value)
		default:
			if first := m.key(key.Text); first != nil {
				c.fault(DuplicateKey, key.Start, key.End, "the key %q stands here for the second time", key.Text)
				c.faults[len(c.faults)-1].Related = first.Start
				continue
			}
			m.put(Field{key, value})
		}
	}
	for _, source := range merges {
		c.merge(&m, source)
	}
}

// listKey is the name of a key that is a list of scalars.
func listKey(key *Node) (string, bool) {
	if key.Kind != Sequence || len(key.Items) > 8 {
		return "", false
	}
	var b strings.Builder
	for i, item := range key.Items {
		if item.Kind != Scalar {
			return "", false
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(item.Text)
	}
	return "[" + b.String() + "]", true
}

// mappedKey keeps an entry whose key is a map with the fault about it.
func (c *converter) mappedKey(n *Node, entry *Field) {
	last := len(c.faults) - 1
	if f := &c.faults[last]; f.Kind == BadKey && f.Start == entry.Key.Start { // else there were too many
		f.Entry = entry
		c.belongs(n, last)
	}
}

// belongs tells that the Entry of a fault is one of a mapping.
func (c *converter) belongs(n *Node, fault int) {
	if slices.Contains(c.mapped[n], fault) {
		return // two that it merges merge the same
	}
	if c.mapped == nil {
		c.mapped = map[*Node][]int{}
	}
	c.mapped[n] = append(c.mapped[n], fault)
	f := &c.faults[fault]
	f.In = append(f.In, n)
	n.size = addSize(n.size, addSize(f.Entry.Key.size, f.Entry.Value.size))
}

// merge adds what a merge key brings (YAML's language-independent type
// "merge"): a map, or a list of maps of which the earlier ones win.
func (c *converter) merge(m *fields, source *Node) {
	list := []*Node{source}
	if source.Kind == Sequence {
		list = source.Items
	}
	for _, item := range list {
		if item.Kind != Mapping {
			c.fault(BadKey, source.Start, source.End, "a merge key (<<) takes a map or a list of maps")
			continue
		}
		for _, f := range item.Fields {
			if m.key(f.Key.Text) == nil {
				m.put(f)
			}
		}
		for _, fault := range c.mapped[item] {
			c.belongs(m.node, fault)
		}
	}
}

// fewFields is how many keys a mapping may have that does without a Go map.
const fewFields = 16

// fields fills a mapping and knows its keys.
type fields struct {
	node *Node
	seen map[string]*Node
}

func (m *fields) key(text string) *Node {
	if m.seen != nil {
		return m.seen[text]
	}
	for i := range m.node.Fields {
		if m.node.Fields[i].Key.Text == text {
			return m.node.Fields[i].Key
		}
	}
	return nil
}

func (m *fields) put(f Field) {
	m.node.Fields = append(m.node.Fields, f)
	m.node.size = addSize(m.node.size, 1+f.Value.size)
	switch {
	case m.seen != nil:
		m.seen[f.Key.Text] = f.Key
	case len(m.node.Fields) > fewFields: // a small mapping may merge large ones
		m.seen = make(map[string]*Node, 2*len(m.node.Fields))
		for _, f := range m.node.Fields {
			m.seen[f.Key.Text] = f.Key
		}
	}
}

var (
	intPattern   = regexp.MustCompile(`^[-+]?[0-9]+$`)
	floatPattern = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

// resolve applies the core schema of YAML 1.2.2, section 10.3.2.
func resolve(y *yaml.Node) (ScalarType, any) {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	if y.Style&quoted != 0 || y.Style&yaml.TaggedStyle != 0 && y.Tag == "!!str" {
		return String, y.Value
	}
	s := y.Value
	switch s {
	case "", "~", "null", "Null", "NULL":
		return Null, nil
	case "true", "True", "TRUE":
		return Bool, true
	case "false", "False", "FALSE":
		return Bool, false
	case ".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF":
		return Float, math.Inf(1)
	case "-.inf", "-.Inf", "-.INF":
		return Float, math.Inf(-1)
	case ".nan", ".NaN", ".NAN":
		return Float, math.NaN()
	}
	if b := s[0]; b != '-' && b != '+' && b != '.' && (b < '0' || b > '9') {
		return String, s
	}
	return resolveNumber(s)
}

func resolveNumber(s string) (ScalarType, any) {
	for prefix, base := range map[string]int{"0o": 8, "0x": 16} {
		if digits, ok := strings.CutPrefix(s, prefix); ok {
			// ParseUint takes no sign, as the schema wants it.
			if i, err := strconv.ParseUint(digits, base, 63); err == nil {
				return Int, int64(i)
			}
			return String, s
		}
	}
	if intPattern.MatchString(s) {
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return Int, i
		}
	} else if !floatPattern.MatchString(s) {
		return String, s
	}
	f, _ := strconv.ParseFloat(s, 64) // out of range gives an infinity, as YAML wants it
	return Float, f
}

// Size counts the nodes below and including this one, aliases expanded.
func (n *Node) Size() int {
	if n == nil {
		return 0
	}
	return n.size
}
