package csar

import (
	"bytes"
	"slices"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/internal/yamlx"
)

// The places of TOSCA.meta: TOSCA Simple Profile 1.3, 6.2; TOSCA 2.0, 17.1.
const (
	metaFile     = "TOSCA-Metadata/TOSCA.meta"
	rootMetaFile = "TOSCA.meta"
)

// The keynames of TOSCA.meta's first block.
const (
	keyName             = "Name"
	keyContentType      = "Content-Type"
	keyMetaFileVersion  = "TOSCA-Meta-File-Version"
	keyCSARVersion      = "CSAR-Version"
	keyCreatedBy        = "Created-By"
	keyEntryDefinitions = "Entry-Definitions"
	keyOtherDefinitions = "Other-Definitions"
)

// Meta is what TOSCA.meta says (TOSCA Simple Profile 1.3, 6.2; TOSCA 2.0,
// 17.2). It is zero for an archive without one.
type Meta struct {
	// File is the path of TOSCA.meta.
	File string
	// Name and ContentType are optional.
	Name, ContentType string
	// MetaFileVersion is TOSCA-Meta-File-Version: 1.0 or 1.1; TOSCA 2.0 has none.
	MetaFileVersion string
	// CSARVersion is 1.0, 1.1 or 2.0.
	CSARVersion string
	// CreatedBy is who made the archive.
	CreatedBy string
	// EntryDefinitions is the path of the service template as written; optional.
	EntryDefinitions string
	// OtherDefinitions are the paths of further templates, for substitution.
	OtherDefinitions []string
	// Blocks are all blocks with all their keynames, the first included, in order.
	Blocks []Block
}

// Block is a list of keynames and values; the first block tells of the archive,
// others of files in it or what their author likes.
//
// Source: TOSCA 1.3 section 6.2, TOSCA 2.0 section 17.2.
type Block []Field

// Field is a keyname with its value, folded lines joined.
//
// Source: TOSCA 1.3 section 6.2, TOSCA 2.0 section 17.2.
type Field struct {
	Name, Value string
	// Line is where it stands; 0 for one that was not read from a file.
	Line int
}

// Get returns the value of a keyname, or "".
func (b Block) Get(name string) string { return b.find(name).Value }

func (b Block) find(name string) Field {
	for _, f := range b {
		if f.Name == name {
			return f
		}
	}
	return Field{}
}

// ParseMeta reads a TOSCA.meta. File is its path, for errors. Beyond the
// specification it takes comments, quoted values and a YAML document mark,
// since other tools read the file as YAML.
//
// Source: TOSCA 1.3 section 6.2, TOSCA 2.0 section 17.2.
func ParseMeta(file string, src []byte) (Meta, error) {
	blocks, err := parseBlocks(file, src)
	if err != nil {
		return Meta{}, err
	}
	if len(blocks) == 0 {
		return Meta{}, faultAt(MetaKeyMissing, file, 1, "the file is empty: %s and %s are required", keyCSARVersion, keyCreatedBy)
	}
	first := blocks[0]
	m := Meta{
		File:             file,
		Name:             unquote(first.Get(keyName)),
		ContentType:      unquote(first.Get(keyContentType)),
		MetaFileVersion:  unquote(first.Get(keyMetaFileVersion)),
		CSARVersion:      unquote(first.Get(keyCSARVersion)),
		CreatedBy:        unquote(first.Get(keyCreatedBy)),
		EntryDefinitions: unquote(first.Get(keyEntryDefinitions)),
		Blocks:           blocks,
	}
	if err := checkVersions(file, first, m); err != nil {
		return Meta{}, err
	}
	others := first.find(keyOtherDefinitions)
	if m.OtherDefinitions, err = splitNames(file, others); err != nil {
		return Meta{}, err
	}
	return m, nil
}

func checkVersions(file string, first Block, m Meta) error {
	required := []string{keyCSARVersion, keyCreatedBy}
	if m.CSARVersion != "2.0" {
		required = append(required, keyMetaFileVersion)
	}
	for _, key := range required {
		if first.Get(key) != "" {
			continue
		}
		for _, f := range first {
			if f.Name != key && strings.EqualFold(f.Name, key) {
				return faultAt(MetaKeyMissing, file, f.Line, "%s is required, in this spelling; the file has %s", key, f.Name)
			}
		}
		return faultAt(MetaKeyMissing, file, first[0].Line, "%s is required in the first block", key)
	}
	versions := []struct {
		key, value string
		known      []string
	}{
		{keyCSARVersion, m.CSARVersion, []string{"1.0", "1.1", "2.0"}},
		{keyMetaFileVersion, m.MetaFileVersion, []string{"", "1.0", "1.1", "2.0"}},
	}
	for _, v := range versions {
		if !slices.Contains(v.known, v.value) {
			return faultAt(MetaVersion, file, first.find(v.key).Line, "%s %s is not known; 1.0, 1.1 and 2.0 are", v.key, v.value)
		}
	}
	return nil
}

// parseBlocks splits the file into blocks of fields. A line that begins with a
// space goes on with the value before it.
func parseBlocks(file string, src []byte) ([]Block, error) {
	var blocks []Block
	var block Block
	end := func() {
		if len(block) > 0 {
			blocks, block = append(blocks, block), nil
		}
	}
	text := string(bytes.TrimPrefix(yamlx.Text(src), []byte("\xef\xbb\xbf")))
	number := 0
	for line := range strings.Lines(text) {
		number++
		line = strings.TrimRight(line, " \t\r\n")
		switch {
		case line == "":
			end()
			continue
		case line[0] == '#', line == "---" && number == 1:
			continue
		case line[0] == ' ' || line[0] == '\t':
			if len(block) == 0 {
				return nil, faultAt(BadMeta, file, number, "a line that begins with a space goes on with a value, but none stands before it")
			}
			last := &block[len(block)-1]
			last.Value = strings.TrimLeft(last.Value+" "+strings.TrimLeft(line, " \t"), " ")
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		name = strings.TrimRight(name, " \t")
		if !ok || name == "" {
			return nil, faultAt(BadMeta, file, number, "expected «keyname: value», found %q", line)
		}
		if f := block.find(name); f.Line > 0 {
			return nil, faultAt(BadMeta, file, number, "%s stands twice in one block; first in line %d", name, f.Line)
		}
		block = append(block, Field{Name: name, Value: strings.Trim(value, " \t"), Line: number})
	}
	end()
	return blocks, nil
}

// unquote drops quotes around a value.
func unquote(v string) string {
	if len(v) >= 2 && (v[0] == '"' || v[0] == '\'') && v[len(v)-1] == v[0] {
		if inner := v[1 : len(v)-1]; strings.IndexByte(inner, v[0]) < 0 {
			return inner
		}
	}
	return v
}

// splitNames splits a list of file names at spaces; a name with spaces in it
// stands in double quotes.
func splitNames(file string, f Field) ([]string, error) {
	var names []string
	rest := strings.Trim(f.Value, " \t")
	for rest != "" {
		var name string
		if rest[0] == '"' {
			var ok bool
			if name, rest, ok = strings.Cut(rest[1:], `"`); !ok {
				return nil, faultAt(BadMeta, file, f.Line, "%s: a double quote is not closed", f.Name)
			}
		} else if i := strings.IndexAny(rest, " \t"); i >= 0 {
			name, rest = rest[:i], rest[i:]
		} else {
			name, rest = rest, ""
		}
		names = append(names, name)
		rest = strings.TrimLeft(rest, " \t")
	}
	return names, nil
}

// newMeta writes the TOSCA.meta of an archive that has none.
func newMeta(createdBy, entry string) ([]byte, error) {
	value := entry
	if strings.Trim(entry, " \t") != entry || unquote(entry) != entry {
		value = `"` + entry + `"`
		if unquote(value) != entry {
			value = "'" + entry + "'"
		}
	}
	if unquote(strings.Trim(value, " \t")) != entry || strings.ContainsAny(entry, "\r\n") {
		return nil, fault(BadName, entry, "TOSCA.meta cannot name this file")
	}
	if strings.ContainsAny(createdBy, "\r\n") || strings.TrimSpace(createdBy) == "" {
		return nil, fault(BadMeta, metaFile, "%s must be one line, not %q", keyCreatedBy, createdBy)
	}
	return []byte(keyMetaFileVersion + ": 1.1\n" +
		keyCSARVersion + ": 1.1\n" +
		keyCreatedBy + ": " + createdBy + "\n" +
		keyEntryDefinitions + ": " + value + "\n"), nil
}
