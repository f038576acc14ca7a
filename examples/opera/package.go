package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/csar"
)

// packageFolder makes a CSAR of a folder and prints where it is.
func packageFolder(io stdio, folder, entry, output string, verbose bool) (err error) {
	if info, err := os.Stat(folder); err != nil {
		return err
	} else if !info.IsDir() {
		return usagef("package: %s is not a folder", folder)
	}
	if output == "" {
		output = "opera-package-" + randomName()
	}
	if !strings.HasSuffix(output, ".zip") {
		output += ".zip"
	}
	archive, err := csar.Open(folder, &csar.Options{Entry: entry, AnyTemplate: true})
	if err != nil {
		return err
	}
	defer archive.Close()
	if verbose {
		if err := listFiles(io, archive.FS()); err != nil {
			return err
		}
	}
	out, err := os.OpenFile(output, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists already; choose another name with --output", output)
	}
	if err != nil {
		return err
	}
	defer func() {
		if err = errors.Join(err, out.Close()); err != nil {
			os.Remove(output)
			return
		}
		fmt.Fprintf(io.out, "CSAR was created and packed to '%s'.\n", absolute(output))
	}()
	return csar.Pack(out, archive, &csar.PackOptions{CreatedBy: "opera"})
}

// unpackage unpacks a CSAR into a new folder.
func unpackage(io stdio, path, destination string, verbose bool) error {
	if destination == "" {
		destination = "opera-unpackage-" + randomName()
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	archive, err := csar.OpenReader(file, info.Size(), nil)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	defer archive.Close()
	if verbose {
		if err := listFiles(io, archive.FS()); err != nil {
			return err
		}
	}
	if err := csar.Unpack(archive, destination); err != nil {
		return err
	}
	fmt.Fprintf(io.out, "The CSAR was unpackaged to '%s'.\n", absolute(destination))
	return nil
}

func listFiles(io stdio, fsys fs.FS) error {
	return fs.WalkDir(fsys, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			fmt.Fprintln(io.out, path)
		}
		return err
	})
}

// randomName returns six characters for a name that is not taken.
func randomName() string { return strings.ToLower(rand.Text()[:6]) }

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
