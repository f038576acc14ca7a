// Package redact keeps secrets out of everything that people or programs
// read: a value that prints as stars, and a set of secret texts that are
// replaced in strings and streams.
package redact

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Stars is what stands in the place of a secret.
const Stars = "***"

// minLength is the shortest text that is searched for: shorter ones would hide
// most of any text and protect nothing.
const minLength = 3

// Secret is a value that prints as "***" whatever prints it: fmt with any
// verb, encoding/json, YAML encoders, log/slog.
type Secret struct{ value any }

// NewSecret wraps value.
func NewSecret(value any) Secret { return Secret{value} }

// Reveal returns the value.
func (s Secret) Reveal() any { return s.value }

// String returns "***".
func (s Secret) String() string { return Stars }

// Format prints "***" for every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Stars) }

// MarshalJSON returns "***".
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + Stars + `"`), nil }

// MarshalText returns "***".
func (s Secret) MarshalText() ([]byte, error) { return []byte(Stars), nil }

// MarshalYAML returns "***".
func (s Secret) MarshalYAML() (any, error) { return Stars, nil }

// LogValue returns "***".
func (s Secret) LogValue() slog.Value { return slog.StringValue(Stars) }

// Set is a growing set of secret texts. It is safe for concurrent use; the
// zero Set is empty and ready. A nil Set is empty for ever.
type Set struct {
	mu       sync.RWMutex
	added    map[string]bool // the texts that were given, without their other forms
	texts    []string        // longest first
	replacer *strings.Replacer
	longest  int
}

// Add adds the texts in value: strings, numbers and what lists and maps hold,
// to any depth. A text of several lines is also known by each of its lines, and
// every text by the forms in which tools print it: see formsOf. Texts of fewer
// than three characters, booleans and nil are not searched for.
func (s *Set) Add(value any) {
	var found []string
	collect(value, &found)
	s.mu.Lock()
	defer s.mu.Unlock()
	grown := false
	for _, text := range found {
		if len(text) < minLength || s.added[text] {
			continue
		}
		if s.added == nil {
			s.added = map[string]bool{}
		}
		s.added[text] = true
		for _, form := range formsOf(text) {
			if !slices.Contains(s.texts, form) {
				s.texts, grown = append(s.texts, form), true
				s.longest = max(s.longest, len(form))
			}
		}
	}
	if !grown {
		return
	}
	// At one position a Replacer prefers the earlier pair: the longest first, so
	// that a secret that contains another one is hidden whole.
	slices.SortStableFunc(s.texts, func(a, b string) int { return len(b) - len(a) })
	pairs := make([]string, 0, 2*len(s.texts))
	for _, text := range s.texts {
		pairs = append(pairs, text, Stars)
	}
	s.replacer = strings.NewReplacer(pairs...)
}

func collect(value any, into *[]string) {
	switch v := value.(type) {
	case Secret:
		collect(v.value, into)
	case string:
		collectText(v, into)
	case int64:
		collectText(strconv.FormatInt(v, 10), into)
	case int:
		collectText(strconv.Itoa(v), into)
	case float64:
		collectText(strconv.FormatFloat(v, 'g', -1, 64), into)
	case []any:
		for _, e := range v {
			collect(e, into)
		}
	case map[string]any:
		for _, e := range v {
			collect(e, into)
		}
	}
}

func collectText(text string, into *[]string) {
	*into = append(*into, text)
	if !strings.Contains(text, "\n") {
		return
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); len(line) >= 8 {
			*into = append(*into, line)
		}
	}
}

// Texts returns the secret texts, longest first.
func (s *Set) Texts() []string {
	if s == nil {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.texts)
}

// String returns text with every secret replaced by "***".
func (s *Set) String(text string) string {
	if s == nil {
		return text
	}
	s.mu.RLock()
	replacer := s.replacer
	s.mu.RUnlock()
	if replacer == nil {
		return text
	}
	return replacer.Replace(text)
}

// Contains tells whether value holds a secret text, to any depth.
func (s *Set) Contains(value any) bool {
	switch v := value.(type) {
	case Secret:
		return true
	case string:
		return s.String(v) != v
	case int64:
		return s.Contains(strconv.FormatInt(v, 10))
	case float64:
		return s.Contains(strconv.FormatFloat(v, 'g', -1, 64))
	case []any:
		return slices.ContainsFunc(v, s.Contains)
	case map[string]any:
		for k, e := range v {
			if s.Contains(k) || s.Contains(e) {
				return true
			}
		}
	}
	return false
}

// Value returns a copy of value with every secret in its strings replaced.
func (s *Set) Value(value any) any {
	switch v := value.(type) {
	case string:
		return s.String(v)
	case int64, float64:
		if s.Contains(v) {
			return Stars
		}
	case []any:
		list := make([]any, len(v))
		for i, e := range v {
			list[i] = s.Value(e)
		}
		return list
	case map[string]any:
		m := make(map[string]any, len(v))
		for k, e := range v {
			m[s.String(k)] = s.Value(e)
		}
		return m
	}
	return value
}

// maxLine is how much of an unfinished line a Writer holds back at most.
const maxLine = 64 << 10

// Writer passes what is written to it on to out, with the secrets of the set
// replaced, in whole lines: a secret that is split over several writes is found.
// It is safe for concurrent use. Close passes on what is left.
type Writer struct {
	set *Set
	out func(text string)
	mu  sync.Mutex
	buf []byte
}

// NewWriter returns a Writer that calls out with pieces of redacted text.
func (s *Set) NewWriter(out func(text string)) *Writer { return &Writer{set: s, out: out} }

// Write never fails.
func (w *Writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	// What is held back has no newline, so only p is searched.
	held := len(w.buf)
	w.buf = append(w.buf, p...)
	if end := bytes.LastIndexByte(p, '\n') + 1; end > 0 {
		w.flush(held + end)
	}
	if len(w.buf) > maxLine {
		w.flush(w.cut())
	}
	return len(p), nil
}

// Close passes on an unfinished line. It never fails, and the Writer can be
// written to afterwards.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.flush(len(w.buf))
	return nil
}

func (w *Writer) flush(end int) {
	if end == 0 {
		return
	}
	text := w.set.String(string(w.buf[:end]))
	w.buf = append(w.buf[:0], w.buf[end:]...)
	w.out(text)
}

// cut is where an endless line can be cut without cutting a secret that stands
// in it, or may be about to stand in it, in two.
func (w *Writer) cut() int {
	if w.set == nil {
		return len(w.buf)
	}
	w.set.mu.RLock()
	defer w.set.mu.RUnlock()
	cut := max(0, len(w.buf)-max(w.set.longest-1, 0))
	for moved := true; moved; {
		moved = false
		for _, text := range w.set.texts {
			from := max(0, cut-len(text)+1)
			to := min(len(w.buf), cut+len(text)-1)
			if i := bytes.Index(w.buf[from:to], []byte(text)); i >= 0 && from+i < cut {
				cut, moved = from+i, true
			}
		}
	}
	return cut
}
