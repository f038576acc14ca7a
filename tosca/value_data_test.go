package tosca

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestConstantTakesWhatDecodersGive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ given, want any }{
		{nil, nil},
		{true, true},
		{"s", "s"},
		{int(1), int64(1)}, {int8(1), int64(1)}, {int16(1), int64(1)}, {int32(1), int64(1)}, {int64(1), int64(1)},
		{uint(1), int64(1)}, {uint8(1), int64(1)}, {uint16(1), int64(1)}, {uint32(1), int64(1)}, {uint64(1), int64(1)},
		{uint64(math.MaxUint64), float64(math.MaxUint64)},
		{float32(0.5), 0.5}, {0.5, 0.5},
		{json.Number("12"), int64(12)}, {json.Number("1.5"), 1.5}, {json.Number("x"), "x"},
		{[]string{"a"}, []any{"a"}},
		{[]any{1, []any{2}}, []any{int64(1), []any{int64(2)}}},
		{map[string]string{"a": "b"}, map[string]any{"a": "b"}},
		{map[string]any{"a": 1}, map[string]any{"a": int64(1)}},
		{90 * time.Second, "1m30s"},
		{struct{ A int }{1}, "{1}"},
	} {
		got, ok := Constant(c.given).Static()
		require.True(t, ok)
		require.Equal(t, c.want, got, "%T", c.given)
	}
}

func TestTextIsThatOfYAML(t *testing.T) {
	t.Parallel()
	for want, data := range map[string]any{
		"12": int64(12), "-3": int64(-3), "1.5": 1.5, "2.0": 2.0, "1e+30": 1e30, "true": true, "a": "a",
		".nan": math.NaN(), ".inf": math.Inf(1), "-.inf": math.Inf(-1),
	} {
		got, ok := text(data)
		require.True(t, ok)
		require.Equal(t, want, got)
	}
	for _, data := range []any{nil, []any{}, map[string]any{}} {
		_, ok := text(data)
		require.False(t, ok)
	}
}

func TestShowIsShort(t *testing.T) {
	t.Parallel()
	require.Equal(t, `"a"`, show("a"))
	require.Equal(t, "null", show(nil))
	require.Equal(t, `{"a":[1]}`, show(map[string]any{"a": []any{int64(1)}}))
	require.Len(t, []rune(show(strings.Repeat("ä", 1000))), 61)
}

func TestFunctionsOfTosca2OnOtherKinds(t *testing.T) {
	t.Parallel()
	for src, want := range map[string]any{
		"{$has_prefix: [[1, 2], [1]]}":  true,
		"{$has_prefix: [[1], [1, 2]]}":  false,
		"{$has_suffix: [abc, bc]}":      true,
		"{$has_suffix: [abc, b]}":       false,
		"{$length: [{a: 1}]}":           int64(1),
		"{$length: [häh]}":              int64(3),
		"{$concat: [a, [b]]}":           nil,
		"{$has_prefix: [abc, [a]]}":     nil,
		"{$has_prefix: [{a: b}, text]}": nil,
	} {
		v, diags := parseText(t, v20, src)
		if want == nil {
			require.Equal(t, []string{"invalid-call"}, codes(diags), src)
			continue
		}
		require.Empty(t, diags, src)
		got, _ := v.Static()
		require.Equal(t, want, got, src)
	}
}
