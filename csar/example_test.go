package csar_test

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"testing/fstest"

	"github.com/seed-a4fd30b5/orchestrator/csar"
)

// A folder becomes an archive, which is read without being extracted.
func Example() {
	folder := fstest.MapFS{
		"service.yaml":     {Data: []byte("tosca_definitions_version: tosca_simple_yaml_1_3\n")},
		"scripts/start.sh": {Data: []byte("echo hello\n"), Mode: 0o755},
	}
	a, err := csar.FromFS(folder, "service.yaml")
	if err != nil {
		log.Fatal(err)
	}
	var packed bytes.Buffer
	if err := csar.Pack(&packed, a, &csar.PackOptions{CreatedBy: "Jane Doe"}); err != nil {
		log.Fatal(err)
	}

	app, err := csar.OpenReader(bytes.NewReader(packed.Bytes()), int64(packed.Len()), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer app.Close()
	fmt.Println(app.Entry(), "by", app.Meta().CreatedBy)
	script, err := fs.ReadFile(app.FS(), "scripts/start.sh")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s", script)
	// Output:
	// service.yaml by Jane Doe
	// echo hello
}

// Programs act upon the Reason of an error, people read the rest.
func ExampleError() {
	folder := fstest.MapFS{"b.yaml": {}, "a.yaml": {}}
	_, err := csar.FromFS(folder, "")
	var e *csar.Error
	if errors.As(err, &e) {
		fmt.Println(e.Reason)
	}
	fmt.Println(err)
	// Output:
	// many-templates
	// open file system: TOSCA.meta names no service template, and there are 2 YAML files at the root: a.yaml, b.yaml (name one as Entry-Definitions in TOSCA-Metadata/TOSCA.meta)
}

// A subset is what a template uses: its digest names it, whatever lies beside.
func ExampleArchive_Subset() {
	folder := fstest.MapFS{
		"service.yaml": {Data: []byte("a: 1\n")},
		"start.sh":     {Data: []byte("echo hello\n")},
		"notes.txt":    {Data: []byte("not used\n")},
	}
	a, err := csar.FromFS(folder, "service.yaml")
	if err != nil {
		log.Fatal(err)
	}
	used, err := a.Subset([]string{"start.sh"})
	if err != nil {
		log.Fatal(err)
	}
	files, err := fs.Glob(used.FS(), "*")
	if err != nil {
		log.Fatal(err)
	}
	digest, err := used.Digest()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(files)
	fmt.Println(digest[:20])
	// Output:
	// [service.yaml start.sh]
	// sha256:3151dda7da718
}

// Opening checks the whole archive: one that could do harm is refused, and the
// Reason says why.
func ExampleOpenReader() {
	var evil bytes.Buffer
	w := zip.NewWriter(&evil)
	if _, err := w.Create("../outside.yaml"); err != nil {
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}
	_, err := csar.OpenReader(bytes.NewReader(evil.Bytes()), int64(evil.Len()), nil)
	var e *csar.Error
	if errors.As(err, &e) {
		fmt.Println(e.Reason)
	}
	// Output:
	// slip
}

// The same content packs to the same bytes and has the same digest.
func ExamplePack() {
	a, err := csar.FromFS(fstest.MapFS{"service.yaml": {Data: []byte("tosca_definitions_version: tosca_2_0\n")}}, "service.yaml")
	if err != nil {
		log.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, w := range []*bytes.Buffer{&first, &second} {
		if err := csar.Pack(w, a, nil); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(bytes.Equal(first.Bytes(), second.Bytes()))
	// Output:
	// true
}

func ExampleParseMeta() {
	meta, err := csar.ParseMeta("TOSCA.meta", []byte("CSAR-Version: 2.0\nCreated-By: Jane Doe\nEntry-Definitions: service.yaml\nOther-Definitions: \"my db.yaml\" web.yaml\n"))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(meta.EntryDefinitions, len(meta.OtherDefinitions), meta.OtherDefinitions[0])
	// Output:
	// service.yaml 2 my db.yaml
}
