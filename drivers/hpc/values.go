package hpc

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// values reads the properties of a node and keeps the first fault.
type values struct {
	r   *executor.Resource
	err error
}

func (v *values) fail(name, format string, args ...any) {
	if v.err == nil {
		v.err = errs.New(errs.InvalidArgument, "use property "+name+" of", v.r.ID, format, args...)
	}
}

func (v *values) get(name string) any {
	if err := v.r.Faults[name]; err != nil {
		v.fail(name, "%w", err)
	}
	return v.r.Properties[name]
}

func (v *values) text(name string) string { return v.textOf(name, v.get(name)) }

func (v *values) textOf(name string, value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case string:
		if strings.ContainsRune(value, 0) {
			v.fail(name, "it has a byte of value 0")
		}
		return value
	case bool, int64, float64, int:
		return fmt.Sprint(value)
	}
	v.fail(name, "it is no text")
	return ""
}

func (v *values) number(name string) int {
	switch n := v.get(name).(type) {
	case nil:
		return 0
	case int64:
		if n >= 0 && n <= math.MaxInt32 {
			return int(n)
		}
	case int:
		if n >= 0 {
			return n
		}
	}
	v.fail(name, "%v is no whole number of 0 or more", v.r.Properties[name])
	return 0
}

func (v *values) factor(name string) float64 {
	switch n := v.get(name).(type) {
	case nil:
		return 0
	case float64:
		if n >= 1 && n <= 100 {
			return n
		}
	case int64:
		if n >= 1 && n <= 100 {
			return float64(n)
		}
	}
	v.fail(name, "%v is no number between 1 and 100", v.r.Properties[name])
	return 0
}

func (v *values) flag(name string) bool {
	switch b := v.get(name).(type) {
	case nil:
	case bool:
		return b
	default:
		v.fail(name, "%v is neither true nor false", b)
	}
	return false
}

func (v *values) list(name string) []any {
	switch l := v.get(name).(type) {
	case nil:
	case []any:
		return l
	default:
		v.fail(name, "it is no list")
	}
	return nil
}

func (v *values) texts(name string) []string { return v.textsOf(name, v.list(name)) }

func (v *values) textsOf(name string, list []any) []string {
	var texts []string
	for _, item := range list {
		texts = append(texts, v.textOf(name, item))
	}
	return texts
}

func (v *values) mapOf(name string, value any) map[string]any {
	switch m := value.(type) {
	case nil:
	case map[string]any:
		return m
	default:
		v.fail(name, "it is no map")
	}
	return nil
}

func (v *values) environment(name string) map[string]string {
	m := v.mapOf(name, v.get(name))
	env := make(map[string]string, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		if !variable.MatchString(key) {
			v.fail(name, "%q is no name of a variable", key)
		}
		env[key] = v.textOf(name, m[key])
	}
	return env
}

func (v *values) memory(name string) int64 {
	text := v.text(name)
	if text == "" {
		return 0
	}
	n, err := ParseMemory(text)
	if err != nil {
		v.fail(name, "%w", err)
	}
	return n
}

func (v *values) walltime(name string) time.Duration {
	text := v.text(name)
	if text == "" {
		return 0
	}
	d, err := ParseWalltime(text)
	if err != nil {
		v.fail(name, "%w", err)
	}
	return d
}

func (v *values) time(name string) time.Time {
	text := v.text(name)
	if text == "" {
		return time.Time{}
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02 15:04:05", time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	v.fail(name, "%q is no time: write it such as 2026-01-31T18:00:00Z", text)
	return time.Time{}
}
