package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// build makes the program once for the benchmarks that time whole processes.
func build(b *testing.B) string {
	b.Helper()
	program := filepath.Join(b.TempDir(), "opera")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return program
}

// template writes a service template with n nodes without operations, each
// but the first of a group of ten depending on the one before it.
func template(b *testing.B, n int) string {
	b.Helper()
	var s strings.Builder
	s.WriteString("tosca_definitions_version: tosca_simple_yaml_1_3\ntopology_template:\n  node_templates:\n")
	for i := range n {
		fmt.Fprintf(&s, "    node%d:\n      type: tosca.nodes.Root\n", i)
		if i%10 > 0 {
			fmt.Fprintf(&s, "      requirements:\n        - dependency: node%d\n", i-1)
		}
	}
	file := filepath.Join(b.TempDir(), "service.yaml")
	if err := os.WriteFile(file, []byte(s.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	return file
}

// BenchmarkDeploy1000 is a whole process that deploys 1,000 nodes without
// operations and records them durably.
func BenchmarkDeploy1000(b *testing.B) {
	program, file := build(b), template(b, 1000)
	for b.Loop() {
		dir := b.TempDir()
		if out, err := exec.Command(program, "deploy", file, "-p", dir, "--progress", "none").CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
}

// BenchmarkValidateHello is a whole process that checks a blueprint of one node.
func BenchmarkValidateHello(b *testing.B) {
	program, file := build(b), template(b, 1)
	for b.Loop() {
		if out, err := exec.Command(program, "validate", file).CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
}
