package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
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
	if e, ok := errors.AsType[*csar.Error](err); ok && (e.Reason == csar.ManyTemplates || e.Reason == csar.NoTemplate) {
		return fmt.Errorf("%w; or name the service template with --service-template/-t", err)
	}
	if err != nil {
		return err
	}
	defer archive.Close()
	content, err := withoutState(archive)
	if err != nil {
		return err
	}
	if verbose {
		if err := listFiles(io, content.FS()); err != nil {
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
	return csar.Pack(out, content, &csar.PackOptions{CreatedBy: "opera"})
}

// withoutState is what of a folder goes into a CSAR: all but the folders in
// which opera keeps its state and the key to the secrets in it. It names the
// files there are now, not the CSAR that will lie among them.
func withoutState(archive *csar.Archive) (*csar.Archive, error) {
	var paths []string
	_, err := fs.Stat(archive.FS(), stateFile)
	atRoot := err == nil // "-p ." keeps the state among the application's files
	err = fs.WalkDir(archive.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case atRoot && (name == stateFile || name == stateFile+".lock" || name == keyFile):
			return nil
		case !d.IsDir():
			paths = append(paths, name)
			return nil
		}
		if _, err := fs.Stat(archive.FS(), path.Join(name, stateFile)); err == nil && name != "." {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return archive.Subset(paths)
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
	archive, err := csar.OpenReader(file, info.Size(), &csar.Options{AnyTemplate: true})
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
