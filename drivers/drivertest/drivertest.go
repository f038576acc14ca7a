package drivertest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Run runs the suite. It needs bash and python3 where the operations run.
func Run(t *testing.T, h Harness) {
	require.NotNil(t, h.New)
	tests := []struct {
		name string
		test func(*bench)
	}{
		{"Accepts", testAccepts},
		{"InputsAsVariables", testInputsAsVariables},
		{"InputsAsJSON", testInputsAsJSON},
		{"ReservedInputs", testReservedInputs},
		{"Context", testContext},
		{"OutputForms", testOutputForms},
		{"MalformedOutputs", testMalformedOutputs},
		{"Interpreters", testInterpreters},
		{"Files", testFiles},
		{"FilesUnchanged", testFilesUnchanged},
		{"OddNames", testOddNames},
		{"MissingFile", testMissingFile},
		{"Collision", testCollision},
		{"LogStreams", testLogStreams},
		{"BigOutput", testBigOutput},
		{"BinaryOutput", testBinaryOutput},
		{"Failure", testFailure},
		{"FailureBySignal", testFailureBySignal},
		{"Retryable", testRetryable},
		{"UnknownInterpreter", testUnknownInterpreter},
		{"Secrets", testSecrets},
		{"CancelKillsChildren", testCancelKillsChildren},
		{"TimeoutKillsTheDeaf", testTimeoutKillsTheDeaf},
		{"CanceledBefore", testCanceledBefore},
		{"Background", testBackground},
		{"TwoAtOnce", testTwoAtOnce},
		{"UnknownHandles", testUnknownHandles},
		{"Recover", testRecover},
		{"StartTwice", testStartTwice},
	}
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.test(&bench{T: t, harness: h, driver: h.New(t), dir: t.TempDir()})
		})
	}
}
