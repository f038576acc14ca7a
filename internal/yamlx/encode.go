package yamlx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"
)

// Map is a mapping that keeps the order of its entries, in YAML and in JSON.
type Map []Item

// Item is an entry of a Map.
type Item struct {
	Key   string
	Value any
}

// MarshalJSON writes the entries in their order.
func (m Map) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, item := range m {
		if i > 0 {
			b.WriteByte(',')
		}
		key, err := json.Marshal(item.Key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(item.Value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", item.Key, err)
		}
		b.Write(key)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Marshal writes data as a YAML document, indented by two spaces; the keys of
// a Map keep their order, those of a Go map are sorted.
func Marshal(data any) (out []byte, err error) {
	defer func() { // the YAML library panics on what it cannot encode
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be written as YAML: %v", r)
		}
	}()
	n, err := encode(data)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(n); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// encode makes a node of data. It keeps the order of a Map, and a float a
// float: the library would write 1.0 as 1.
func encode(data any) (*yaml.Node, error) {
	n := &yaml.Node{}
	switch data := data.(type) {
	case Map:
		n.Kind = yaml.MappingNode
		for _, item := range data {
			if err := addEntry(n, item.Key, item.Value); err != nil {
				return nil, err
			}
		}
	case map[string]any:
		n.Kind = yaml.MappingNode
		for _, key := range slices.Sorted(maps.Keys(data)) {
			if err := addEntry(n, key, data[key]); err != nil {
				return nil, err
			}
		}
	case []any:
		n.Kind = yaml.SequenceNode
		for _, item := range data {
			child, err := encode(item)
			if err != nil {
				return nil, err
			}
			n.Content = append(n.Content, child)
		}
	case float64:
		if data == math.Trunc(data) && math.Abs(data) < 1e15 {
			n.Kind, n.Tag, n.Value = yaml.ScalarNode, "!!float", strconv.FormatFloat(data, 'f', 1, 64)
			return n, nil
		}
		return n, n.Encode(data)
	default:
		return n, n.Encode(data)
	}
	return n, nil
}

func addEntry(n *yaml.Node, key string, value any) error {
	var k yaml.Node
	k.SetString(key)
	v, err := encode(value)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	n.Content = append(n.Content, &k, v)
	return nil
}

// Ordered returns the node as data like Value, with mappings as Map.
func (n *Node) Ordered() any {
	if n == nil {
		return nil
	}
	switch n.Kind {
	case Sequence:
		list := make([]any, len(n.Items))
		for i, item := range n.Items {
			list[i] = item.Ordered()
		}
		return list
	case Mapping:
		m := make(Map, len(n.Fields))
		for i, f := range n.Fields {
			m[i] = Item{f.Key.Text, f.Value.Ordered()}
		}
		return m
	}
	return n.Data
}
