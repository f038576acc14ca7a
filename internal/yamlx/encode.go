package yamlx

import (
	"bytes"
	"encoding/json"
	"fmt"

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

// MarshalYAML writes the entries in their order.
func (m Map) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode}
	for _, item := range m {
		var key, value yaml.Node
		key.SetString(item.Key)
		if err := value.Encode(item.Value); err != nil {
			return nil, fmt.Errorf("%s: %w", item.Key, err)
		}
		n.Content = append(n.Content, &key, &value)
	}
	return n, nil
}

// Marshal writes data as a YAML document, indented by two spaces; the keys of
// a Map keep their order, those of a Go map are sorted.
func Marshal(data any) (out []byte, err error) {
	defer func() { // the YAML library panics on what it cannot encode
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be written as YAML: %v", r)
		}
	}()
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	enc.SetIndent(2)
	if err := enc.Encode(data); err != nil {
		return nil, err
	}
	if err := enc.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
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
