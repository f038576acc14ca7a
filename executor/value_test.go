package executor

import (
	"encoding/json"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEncode(t *testing.T) {
	t.Parallel()
	cases := []struct {
		value any
		text  string
	}{
		{nil, `null`},
		{true, `true`},
		{int64(7), `7`},
		{int64(math.MaxInt64), `9223372036854775807`},
		{1.0, `1.0`},
		{-0.25, `-0.25`},
		{1e300, `1e+300`},
		{"<a> & \"b\"\n", `"<a> & \"b\"\n"`},
		{[]any{}, `[]`},
		{map[string]any{"b": int64(1), "a": []any{nil, "x"}}, `{"a":[null,"x"],"b":1}`},
	}
	for _, c := range cases {
		raw, err := encode(c.value)
		require.NoError(t, err)
		require.Equal(t, c.text, string(raw))
		back, err := decode(raw)
		require.NoError(t, err)
		require.Equal(t, c.value, back)
	}
	for _, bad := range []any{math.NaN(), math.Inf(1), []any{struct{}{}}, map[string]any{"a": make(chan int)}} {
		_, err := encode(bad)
		require.Error(t, err)
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	type word string
	one := 1
	cases := []struct{ in, out any }{
		{1, int64(1)}, {uint8(2), int64(2)}, {float32(0.5), 0.5}, {word("x"), "x"}, {&one, int64(1)},
		{[]string{"a"}, []any{"a"}}, {map[string]int{"a": 1}, map[string]any{"a": int64(1)}},
		{map[any]any{1: "x"}, map[string]any{"1": "x"}}, {json.Number("3"), int64(3)}, {json.Number("3.5"), 3.5},
		{(*int)(nil), nil}, {[]any{[]int{1}}, []any{[]any{int64(1)}}},
	}
	for _, c := range cases {
		out, err := normalize(c.in)
		require.NoError(t, err)
		require.Equal(t, c.out, out)
	}
	for _, bad := range []any{uint64(math.MaxUint64), struct{}{}, func() {}, map[string]any{"x": math.NaN()}} {
		_, err := normalize(bad)
		require.Error(t, err)
	}
}

// data generates any data of the language.
func data(depth int) *rapid.Generator[any] {
	scalars := []*rapid.Generator[any]{
		rapid.Just[any](nil), rapid.Bool().AsAny(), rapid.Int64().AsAny(), rapid.String().AsAny(),
		rapid.Float64Range(-1e9, 1e9).AsAny(),
		rapid.SampledFrom([]any{"$sealed", "$data", "$unstored", "***", 3.0}),
	}
	if depth == 0 {
		return rapid.OneOf(scalars...)
	}
	keys := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"$sealed", "$data", "$unstored"}))
	return rapid.OneOf(append(scalars,
		rapid.Map(rapid.SliceOfN(data(depth-1), 0, 3), func(l []any) any { return append([]any{}, l...) }),
		rapid.Map(rapid.MapOfN(keys, data(depth-1), 0, 3), func(m map[string]any) any { return m }),
	)...)
}

// What is stored comes back as it was, sealed or not, whatever it looks like.
func TestVaultKeepsValues(t *testing.T) {
	t.Parallel()
	sealing, err := newVault([]byte("0123456789abcdef0123456789abcdef"))
	require.NoError(t, err)
	plain, err := newVault(nil)
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		value := data(3).Draw(t, "value")
		for _, v := range []*vault{sealing, plain} {
			for _, secret := range []bool{false, true} {
				raw, err := v.store(value, secret)
				require.NoError(t, err)
				require.True(t, json.Valid(raw))
				back, wasSecret, err := v.load(raw)
				require.Equal(t, secret, wasSecret)
				if secret && v == plain {
					require.ErrorIs(t, err, errUnstored)
					continue
				}
				require.NoError(t, err)
				require.Equal(t, value, back)
			}
		}
	})
}

func TestVaultSeals(t *testing.T) {
	t.Parallel()
	v, err := newVault([]byte("0123456789abcdef0123456789abcdef"))
	require.NoError(t, err)
	raw, err := v.store("hunter22", true)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "hunter22")
	again, err := v.store("hunter22", true)
	require.NoError(t, err)
	require.NotEqual(t, raw, again, "a nonce is used once")

	other, err := newVault([]byte("another key of thirty-two bytes!"))
	require.NoError(t, err)
	_, _, err = other.load(raw)
	require.ErrorContains(t, err, "the key does not fit")
	none, err := newVault(nil)
	require.NoError(t, err)
	_, _, err = none.load(raw)
	require.ErrorContains(t, err, "there is no key")
	_, _, err = v.load(json.RawMessage(`{"$sealed":"AAAA"}`))
	require.ErrorContains(t, err, "damaged")
	_, err = newVault([]byte("short"))
	require.ErrorContains(t, err, "Config.Key has 5 bytes, it must have 32")
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`1`, `1.0`, `{"a":[1,2.5,null]}`, `"x"`, `{"$sealed":"x"}`} {
		f.Add([]byte(seed))
	}
	v := &vault{}
	f.Fuzz(func(t *testing.T, raw []byte) {
		value, _, err := v.load(raw)
		if err != nil {
			return
		}
		again, err := v.store(value, false)
		if err != nil {
			t.Fatal(err)
		}
		back, _, err := v.load(again)
		if err != nil || !equal(back, value) {
			t.Fatalf("%s became %s: %v", raw, again, err)
		}
	})
}
