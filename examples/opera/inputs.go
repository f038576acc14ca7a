package main

import (
	"fmt"
	"os"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// readInputs reads a file of inputs, YAML or JSON (which is YAML). A missing
// file name gives nil: the inputs that are stored.
func readInputs(file string) (map[string]any, error) {
	if file == "" {
		return nil, nil
	}
	data, err := readData(file)
	if err != nil {
		return nil, err
	}
	switch data := data.(type) {
	case nil:
		return map[string]any{}, nil
	case map[string]any:
		return data, nil
	}
	return nil, fmt.Errorf("%s: inputs must be a map of names to values", file)
}

// readData reads a YAML or JSON file.
func readData(file string) (any, error) {
	src, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	root, faults := yamlx.Parse(src, yamlx.Limits{Depth: 200, Nodes: 1_000_000})
	if len(faults) > 0 {
		return nil, fmt.Errorf("%s:%w", file, faults[0])
	}
	return root.Value(), nil
}
