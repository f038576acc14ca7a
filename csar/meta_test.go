package csar

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseMeta(t *testing.T) {
	t.Parallel()
	const text = "\xef\xbb\xbfTOSCA-Meta-File-Version: 1.0\r\n" +
		"CSAR-Version: 1.1\r\n" +
		"Created-By: Jane\r\n" +
		"   Doe,\r\n" +
		"\tACME\r\n" +
		"Entry-Definitions: defs/app.yaml\r\n" +
		"Other-Definitions: a.yaml \"b c.yaml\"\r\n" +
		"  d.yaml\r\n" +
		"ACME-Signature: sig:1\r\n" +
		"\r\n" +
		"\r\n" +
		"Name: defs/app.yaml\r\n" +
		"Content-Type: application/x-yaml\r\n"
	m, err := ParseMeta("TOSCA.meta", []byte(text))
	require.NoError(t, err)
	require.Equal(t, Meta{
		File: "TOSCA.meta", MetaFileVersion: "1.0", CSARVersion: "1.1", CreatedBy: "Jane Doe, ACME",
		EntryDefinitions: "defs/app.yaml", OtherDefinitions: []string{"a.yaml", "b c.yaml", "d.yaml"},
		Blocks: []Block{
			{
				{"TOSCA-Meta-File-Version", "1.0", 1},
				{"CSAR-Version", "1.1", 2},
				{"Created-By", "Jane Doe, ACME", 3},
				{"Entry-Definitions", "defs/app.yaml", 6},
				{"Other-Definitions", `a.yaml "b c.yaml" d.yaml`, 7},
				{"ACME-Signature", "sig:1", 9},
			},
			{{"Name", "defs/app.yaml", 12}, {"Content-Type", "application/x-yaml", 13}},
		},
	}, m)
	require.Equal(t, "sig:1", m.Blocks[0].Get("ACME-Signature"))
	require.Empty(t, m.Blocks[0].Get("Name"))
}

func TestParseMetaForms(t *testing.T) {
	t.Parallel()
	const base = "TOSCA-Meta-File-Version: 1.1\nCSAR-Version: 1.1\nCreated-By: me\n"
	tests := []struct {
		name, text string
		want       Reason
		line       int
		says       string
	}{
		{name: "1.1", text: base},
		{name: "1.0", text: "TOSCA-Meta-File-Version: 1.0\nCSAR-Version: 1.0\nCreated-By: me\n"},
		{name: "2.0 has no file version", text: "CSAR-Version: 2.0\nCreated-By: me"},
		{name: "as other tools read it", text: "---\n# made by hand\nTOSCA-Meta-File-Version: \"1.1\"\nCSAR-Version: '1.1'\nCreated-By:me\n"},
		{name: "old line ends", text: strings.ReplaceAll(base, "\n", "\r")},
		{name: "empty lines before", text: "\n\n" + base},
		{name: "a name and a type of its own", text: base + "Name: app\nContent-Type: application/vnd.oasis.tosca\n"},

		{name: "empty", text: "", want: MetaKeyMissing, line: 1, says: "the file is empty"},
		{name: "no CSAR version", text: "TOSCA-Meta-File-Version: 1.1\nCreated-By: me\n", want: MetaKeyMissing, line: 1, says: "CSAR-Version is required"},
		{name: "no author", text: "TOSCA-Meta-File-Version: 1.1\nCSAR-Version: 1.1\n", want: MetaKeyMissing, line: 1, says: "Created-By is required"},
		{name: "empty author", text: "TOSCA-Meta-File-Version: 1.1\nCSAR-Version: 1.1\nCreated-By:\n", want: MetaKeyMissing, line: 1, says: "Created-By"},
		{name: "no file version", text: "CSAR-Version: 1.1\nCreated-By: me\n", want: MetaKeyMissing, line: 1, says: "TOSCA-Meta-File-Version"},
		{name: "keyname in the second block", text: "TOSCA-Meta-File-Version: 1.1\nCSAR-Version: 1.1\n\nCreated-By: me\n", want: MetaKeyMissing, line: 1, says: "in the first block"},
		{name: "spelling", text: "TOSCA-Meta-File-Version: 1.1\nCSAR-version: 1.1\nCreated-By: me\n", want: MetaKeyMissing, line: 2, says: "CSAR-Version is required, in this spelling; the file has CSAR-version"},
		{name: "unknown CSAR version", text: "TOSCA-Meta-File-Version: 1.1\nCSAR-Version: 3.0\nCreated-By: me\n", want: MetaVersion, line: 2, says: "CSAR-Version 3.0 is not known"},
		{name: "unknown file version", text: "TOSCA-Meta-File-Version: 7\nCSAR-Version: 1.1\nCreated-By: me\n", want: MetaVersion, line: 1, says: "TOSCA-Meta-File-Version 7 is not known"},
		{name: "no colon", text: base + "hello\n", want: BadMeta, line: 4, says: `found "hello"`},
		{name: "no keyname", text: base + ": hello\n", want: BadMeta, line: 4},
		{name: "twice", text: base + "CSAR-Version: 1.0\n", want: BadMeta, line: 4, says: "first in line 2"},
		{name: "goes on with nothing", text: " hello\n" + base, want: BadMeta, line: 1, says: "none stands before it"},
		{name: "goes on behind an empty line", text: base + "\n hello\n", want: BadMeta, line: 5, says: "none stands before it"},
		{name: "open quote", text: base + "Other-Definitions: a \"b\n", want: BadMeta, line: 4, says: "a double quote is not closed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := ParseMeta("m", []byte(tt.text))
			if tt.want == "" {
				require.NoError(t, err)
				require.Equal(t, "me", m.CreatedBy)
				return
			}
			require.Equal(t, tt.want, reasonOf(t, err))
			var e *Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, tt.line, e.Line)
			require.Equal(t, "m", e.File)
			require.ErrorContains(t, err, tt.says)
			require.Equal(t, Meta{}, m)
		})
	}
}

func TestNewMetaNamesAnyFile(t *testing.T) {
	t.Parallel()
	for _, entry := range []string{"a.yaml", "a b.yaml", " a", "a ", `"a"`, `'a'`, `"a`, "a: b", "#a", `"`, `it's "x"`} {
		src, err := newMeta("me", entry)
		require.NoError(t, err, entry)
		m, err := ParseMeta("m", src)
		require.NoError(t, err, entry)
		require.Equal(t, entry, m.EntryDefinitions)
	}
	_, err := newMeta("me", ` 'a" `)
	require.Equal(t, BadName, reasonOf(t, err))
}

func FuzzMeta(f *testing.F) {
	f.Add([]byte(helloMeta))
	f.Add([]byte("CSAR-Version: 2.0\nCreated-By: a\n b\nOther-Definitions: \"a b\" c\n\nx: y\n"))
	f.Add([]byte("---\n# c\nA:\n\tb\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		m, err := ParseMeta("m", src)
		if err != nil {
			require.NotEmpty(t, reasonOf(t, err))
			return
		}
		// Written plainly, it says the same.
		var b strings.Builder
		for _, block := range m.Blocks {
			for _, field := range block {
				b.WriteString(field.Name + ": " + field.Value + "\n")
			}
			b.WriteString("\n")
		}
		again, err := ParseMeta("m", []byte(b.String()))
		require.NoError(t, err)
		for _, blocks := range [][]Block{m.Blocks, again.Blocks} {
			for _, block := range blocks {
				for i := range block {
					block[i].Line = 0
				}
			}
		}
		require.Equal(t, m, again)
	})
}
