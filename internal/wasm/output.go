package wasm

import "fmt"

// OutputError says why something a job left behind, or should have, is not collected.
type OutputError struct{ Name, Reason string }

// NotWritten is the reason of an output that is not there.
const NotWritten = "the job did not write it"

// Error returns the sentence.
func (e *OutputError) Error() string { return fmt.Sprintf("output %q: %s", e.Name, e.Reason) }
