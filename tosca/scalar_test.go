package tosca

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseScalarUnit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind ScalarKind
		text string
		base float64
		want string
	}{
		{Size, "12 B", 12, "12 B"},
		{Size, "12B", 12, "12 B"},
		{Size, "4  gib", 4 * 1024 * 1024 * 1024, "4 GiB"},
		{Size, "2 kB", 2000, "2 kB"},
		{Size, "2 KIB", 2048, "2 KiB"},
		{Size, "1.5 MB", 1.5e6, "1.5 MB"},
		{Size, "1 MiB", 1 << 20, "1 MiB"},
		{Size, "3 TB", 3e12, "3 TB"},
		{Size, "1 TiB", 1 << 40, "1 TiB"},
		{Size, "0 MB", 0, "0 MB"},
		{Time, "2 d", 172800, "2 d"},
		{Time, "1 H", 3600, "1 h"},
		{Time, "5 m", 300, "5 m"},
		{Time, "7 s", 7, "7 s"},
		{Time, "250 ms", 0.25, "250 ms"},
		{Time, "1 us", 1e-6, "1 us"},
		{Time, "1 ns", 1e-9, "1 ns"},
		{Frequency, "0.1 GHz", 1e8, "0.1 GHz"},
		{Frequency, "50 hz", 50, "50 Hz"},
		{Frequency, "2 kHz", 2000, "2 kHz"},
		{Frequency, "2 MHz", 2e6, "2 MHz"},
		{Bitrate, "8 bps", 8, "8 bps"},
		{Bitrate, "1 Bps", 8, "1 Bps"},
		{Bitrate, "1 kbps", 1000, "1 Kbps"},
		{Bitrate, "1 KBps", 8000, "1 KBps"},
		{Bitrate, "1 mibps", 1 << 20, "1 Mibps"},
		{Bitrate, "1 TiBps", 8 << 40, "1 TiBps"},
		{Size, "-2 B", -2, "-2 B"},
		{Size, "+1 B", 1, "+1 B"},
	} {
		u, err := ParseScalarUnit(c.kind, c.text)
		require.NoError(t, err, c.text)
		require.Equal(t, c.kind, u.Kind)
		require.InEpsilon(t, 1+c.base, 1+u.Base(), 1e-12, c.text)
		require.Equal(t, c.want, u.String(), c.text)
	}
}

func TestParseScalarUnitFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind          ScalarKind
		text, message string
	}{
		{Size, "12 bananas", `"bananas" is no unit of size, which is one of B, kB, KiB, MB`},
		{Size, "12", `"12" has no unit`},
		{Size, "", `"" is no number with a unit of size`},
		{Size, "GB", `"GB" is no number`},
		{Size, "1e3 GB", `"e3 GB" is no unit`},
		{Size, "1..2 GB", `is no number`},
		{Size, "+-1 GB", `is no number`},
		{Size, ". GB", `is no number`},
		{Size, strings.Repeat("9", 100) + " GB", `is no number`},
		{Time, "1 GB", `"GB" is no unit of time`},
		{Bitrate, "1 xps", `is no unit of bitrate`},
		{"weight", "1 kg", `there is no kind of scalar unit "weight"`},
	} {
		_, err := ParseScalarUnit(c.kind, c.text)
		require.ErrorContains(t, err, c.message, c.text)
	}
}

func TestScalarUnitCompare(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		kind ScalarKind
		a, b string
		want int
	}{
		{Size, "1 GB", "1000 MB", 0},
		{Size, "1 GiB", "1 GB", 1},
		{Size, "1 KiB", "1025 B", -1},
		{Frequency, "0.1 GHz", "100 MHz", 0},
		{Time, "0.001 ms", "1 us", 0},
		{Bitrate, "1 Mbps", "1 MBps", -1},
	} {
		a, err := ParseScalarUnit(c.kind, c.a)
		require.NoError(t, err)
		b, err := ParseScalarUnit(c.kind, c.b)
		require.NoError(t, err)
		got, err := a.Compare(b)
		require.NoError(t, err)
		require.Equal(t, c.want, got, "%s and %s", c.a, c.b)
	}
	size, err := ParseScalarUnit(Size, "1 B")
	require.NoError(t, err)
	span, err := ParseScalarUnit(Time, "1 s")
	require.NoError(t, err)
	_, err = size.Compare(span)
	require.Error(t, err)
	_, err = size.Compare(ScalarUnit{})
	require.Error(t, err)
	require.Zero(t, ScalarUnit{}.Base())
	_, err = ScalarUnit{}.In("B")
	require.Error(t, err)
}

func TestScalarUnitIn(t *testing.T) {
	t.Parallel()
	u, err := ParseScalarUnit(Size, "2 GiB")
	require.NoError(t, err)
	mib, err := u.In("mib")
	require.NoError(t, err)
	require.Equal(t, 2048.0, mib)
	_, err = u.In("s")
	require.Error(t, err)
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Version{
		"1.0":            {Major: 1},
		"0.0":            {},
		"6.1.2":          {6, 1, 2, "", 0},
		"1.0.2.beta":     {1, 0, 2, "beta", 0},
		"1.0.2.Beta_1-3": {1, 0, 2, "Beta_1", 3},
	} {
		got, err := ParseVersion(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"", "1", "1.", "v1.0", "1.0.x", "1.0.0.", "1.0.0.a-", "1.0.0.a-b", "1.0.0.ä", "-1.0", "1.99999999999999999999"} {
		_, err := ParseVersion(text)
		require.Error(t, err, text)
	}
	// Each is older than the next.
	ordered := []string{"0.9", "1.0.0.alpha-1", "1.0.0.alpha-2", "1.0.0.beta", "1.0", "1.0.1", "1.1", "1.10", "2.0"}
	for i := range ordered {
		for j := range ordered {
			a, err := ParseVersion(ordered[i])
			require.NoError(t, err)
			b, err := ParseVersion(ordered[j])
			require.NoError(t, err)
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			require.Equal(t, want, a.Compare(b), "%s and %s", ordered[i], ordered[j])
		}
	}
}

func TestParseTimestamp(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"2001-12-15T02:59:43.1Z":      "2001-12-15T02:59:43.1Z",
		"2001-12-14T21:59:43.1-05:00": "2001-12-15T02:59:43.1Z",
		"2001-12-14t21:59:43.1-05:00": "2001-12-15T02:59:43.1Z",
		"2001-12-14 21:59:43.1 -5":    "2001-12-15T02:59:43.1Z",
		"2001-12-15 2:59:43.1":        "2001-12-15T02:59:43.1Z",
		"2002-12-14":                  "2002-12-14T00:00:00Z",
	} {
		got, err := parseTimestamp(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got.UTC().Format(time.RFC3339Nano), text)
	}
	for _, text := range []string{"", "yesterday", "2001-13-01", "12:00:00"} {
		_, err := parseTimestamp(text)
		require.Error(t, err, text)
	}
}

func FuzzScalarUnit(f *testing.F) {
	for _, s := range []string{"1 GB", "12bananas", "0.1 GHz", "-3 ms", "+.5KiBps", "١ GB"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, kind := range []ScalarKind{Size, Time, Frequency, Bitrate} {
			u, err := ParseScalarUnit(kind, s)
			if err != nil {
				continue
			}
			again, err := ParseScalarUnit(kind, u.String())
			require.NoError(t, err, s)
			order, err := u.Compare(again)
			require.NoError(t, err)
			require.Zero(t, order, s)
		}
	})
}

const scalarTypes = `
tosca_definitions_version: tosca_2_0
data_types:
  Length: { derived_from: scalar, units: { m: 1, ft: 0.3048 } }
  Mass: { derived_from: scalar, units: { g: 1 }, prefixes: { "": 1, k: 1000, m: 0.001 }, canonical_unit: kg }
`

func TestScalarTypes(t *testing.T) {
	t.Parallel()
	st, ds := loadText(t, scalarTypes)
	require.Empty(t, report(ds))
	mass, length := st.Types.Data["Mass"].Scalar, st.Types.Data["Length"].Scalar
	require.Equal(t, "kg", mass.CanonicalUnit)
	require.Equal(t, "m", length.CanonicalUnit)
	require.Equal(t, []string{"g", "kg", "mg"}, mass.unitNames())
	require.InDelta(t, 1e-3, mass.Units[2].Multiplier, 0)

	heavy, err := mass.Parse("1.5 kg")
	require.NoError(t, err)
	require.InDelta(t, 1500, heavy.Base(), 0)
	require.Equal(t, "1.5 kg", heavy.String())
	same, err := mass.Parse("15e5 mg")
	require.NoError(t, err)
	order, err := heavy.Compare(same)
	require.NoError(t, err)
	require.Zero(t, order)
	inGrams, err := heavy.In("g")
	require.NoError(t, err)
	require.InDelta(t, 1500, inGrams, 0)
	_, err = heavy.In("lb")
	require.ErrorContains(t, err, "is no unit of Mass")

	long, err := length.Parse("1 m")
	require.NoError(t, err)
	_, err = heavy.Compare(long)
	require.ErrorContains(t, err, "cannot be compared")

	number, err := mass.scalarOf(int64(2))
	require.NoError(t, err)
	require.Equal(t, "2 kg", number.String(), "a number is in the canonical unit")
}

func FuzzScalarType(f *testing.F) {
	for _, seed := range []string{"1 m", "0x1F ft", "-1.5e3 m", "1e999 m", "1  \t ft", "m", "1", "", ".inf m", "0o17 m"} {
		f.Add(seed)
	}
	st, _ := Load(fstest.MapFS{"service.yaml": &fstest.MapFile{Data: []byte(scalarTypes)}}, "service.yaml", nil)
	length := st.Types.Data["Length"].Scalar
	f.Fuzz(func(t *testing.T, s string) {
		u, err := length.Parse(s)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		again, err := length.Parse(u.String())
		require.NoError(t, err)
		order, err := u.Compare(again)
		require.NoError(t, err)
		require.Zero(t, order)
	})
}

// Results are in the canonical unit (TOSCA 2.0 section 9.1.2.2), where the
// numbers of the type can be in it.
func TestScalarResults(t *testing.T) {
	t.Parallel()
	template := loadSound(t, `
tosca_definitions_version: tosca_2_0
data_types:
  Mass: { derived_from: scalar, units: { g: 1 }, prefixes: { "": 1, k: 1000 }, canonical_unit: kg }
  Size: { derived_from: scalar, data_type: integer, units: { B: 1, kB: 1000 }, canonical_unit: kB }
service_template:
  inputs: { mass: { type: Mass, default: 1500 g }, size: { type: Size, default: 500 B } }
  node_templates: {}
`)
	for src, want := range map[string]string{
		"{$sum: [{$get_input: mass}, 500 g]}":       "2 kg",
		"{$difference: [{$get_input: mass}, 2 kg]}": "-0.5 kg",
		"{$product: [{$get_input: mass}, 3]}":       "4.5 kg",
		"{$quotient: [{$get_input: mass}, 2]}":      "0.75 kg",
		"{$remainder: [{$get_input: mass}, 1]}":     "0.5 kg",
		"{$sum: [{$get_input: size}, 500 B]}":       "1 kB",
		"{$sum: [{$get_input: size}, 700 B]}":       "1200 B",
		"{$quotient: [{$get_input: size}, 3]}":      "166 B",
	} {
		got, err := evalGraph(t, template, Entity{}, src, mapEnv{})
		require.NoError(t, err, src)
		require.Equal(t, want, got, src)
	}
}
