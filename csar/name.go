package csar

import (
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// cleanName returns the path that an entry's name stands for: slash-separated
// and relative to the archive's root, "." for the root itself. A leading "./"
// (as tar writes) and a folder's trailing slash are dropped; everything else
// that is not plain is refused.
func cleanName(raw string) (string, error) {
	switch {
	case strings.ContainsRune(raw, 0):
		return "", fault(NulInName, raw, "the name has a NUL byte in it")
	case !utf8.ValidString(raw):
		return "", fault(BadName, raw, "the name is not UTF-8")
	case strings.ContainsFunc(raw, unicode.IsControl):
		return "", fault(BadName, raw, "the name has control characters in it")
	case strings.Contains(raw, `\`):
		return "", fault(Backslash, raw, "the name has a backslash in it")
	case strings.HasPrefix(raw, "/"):
		return "", fault(AbsoluteName, raw, "the name is absolute")
	case len(raw) >= 2 && raw[1] == ':' && unicode.IsLetter(rune(raw[0])):
		return "", fault(DriveLetter, raw, "the name begins with a drive letter")
	}
	for part := range strings.SplitSeq(raw, "/") {
		if part == ".." {
			return "", fault(Slip, raw, "the name leaves the archive")
		}
	}
	name := strings.TrimSuffix(strings.TrimPrefix(raw, "./"), "/")
	if name == "" && raw == "./" {
		name = "."
	}
	if !fs.ValidPath(name) {
		return "", fault(BadName, raw, "the name %q is not a plain path", raw)
	}
	return name, nil
}

// nameSet holds the names of an archive and refuses those that clash.
type nameSet struct {
	lim Limits
	// folders tells of each name whether it is a folder; folded finds a name
	// by its case-folded form.
	folders map[string]bool
	folded  map[string]string
}

// add enters a clean name with the folders above it. A folder may be entered
// more than once: it is the same folder.
func (s *nameSet) add(name string, folder bool) error {
	if len(name) > s.lim.NameLength {
		return fault(LongName, strings.ToValidUTF8(name[:min(len(name), 40)], "")+"…", "the name has %d bytes, more than the limit of %d", len(name), s.lim.NameLength)
	}
	if depth := 1 + strings.Count(name, "/"); depth > s.lim.Depth {
		return fault(LongName, name, "the name has %d elements, more than the limit of %d", depth, s.lim.Depth)
	}
	was, known := s.folders[name]
	switch {
	case known && was != folder:
		return fault(FileAndFolder, name, "the name is a file and a folder")
	case known && folder:
		return nil
	case known:
		return fault(Duplicate, name, "the name is there twice")
	}
	if parent := path.Dir(name); parent != "." {
		if err := s.add(parent, true); err != nil {
			return err
		}
	}
	key := fold(name)
	if twin, ok := s.folded[key]; ok {
		return fault(CaseTwin, name, "the name differs from %s in case only", twin)
	}
	s.folders[name], s.folded[key] = folder, name
	if len(s.folders) > s.lim.Entries {
		return fault(TooManyEntries, "", "more than %d files and folders", s.lim.Entries)
	}
	return nil
}

// fold maps names that differ in case only to the same string, by Unicode's
// simple case folding.
func fold(name string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return unicode.ToLower(r)
		}
		low := r
		for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
			low = min(low, next)
		}
		return unicode.ToLower(low)
	}, name)
}
