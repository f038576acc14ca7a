package yamlx

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMarshalKeepsOrder(t *testing.T) {
	t.Parallel()
	m := Map{{"z", int64(1)}, {"a", Map{{"text", "yes"}, {"none", nil}}}, {"list", []any{"1", 2.5, 1.0, true}}, {"empty", Map{}}}
	y, err := Marshal(m)
	require.NoError(t, err)
	require.Equal(t, "z: 1\na:\n  text: \"yes\"\n  none: null\nlist:\n  - \"1\"\n  - 2.5\n  - 1.0\n  - true\nempty: {}\n", string(y))
	j, err := json.Marshal(m)
	require.NoError(t, err)
	require.Equal(t, `{"z":1,"a":{"text":"yes","none":null},"list":["1",2.5,1,true],"empty":{}}`, string(j))
}

func TestMarshalRefusesWhatIsNoData(t *testing.T) {
	t.Parallel()
	_, err := Marshal(map[string]any{"f": func() {}})
	require.ErrorContains(t, err, "cannot be written as YAML")
	_, err = json.Marshal(Map{{"f", func() {}}})
	require.ErrorContains(t, err, "f: ")
}

func TestOrdered(t *testing.T) {
	t.Parallel()
	n, faults := Parse([]byte("b: [1, {z: x, a: ~}]\na: 2.5\n"), Limits{})
	require.Empty(t, faults)
	require.Equal(t, Map{{"b", []any{int64(1), Map{{"z", "x"}, {"a", nil}}}}, {"a", 2.5}}, n.Ordered())
	require.Nil(t, (*Node)(nil).Ordered())
}
