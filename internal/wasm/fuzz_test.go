package wasm

import (
	"errors"
	"testing"
)

// FuzzCheck looks for bytes that break the reader of modules.
func FuzzCheck(f *testing.F) {
	f.Add(Noop())
	f.Add(Noop()[:20])
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x02\xff\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x02\x03\xff\xff\x03"))
	f.Fuzz(func(t *testing.T, module []byte) {
		err := Check(module)
		var r *RefusedError
		if err != nil && !errors.As(err, &r) {
			t.Errorf("refused by %T: %v", err, err)
		}
	})
}

// FuzzFrames looks for payloads that break either side of the border.
func FuzzFrames(f *testing.F) {
	f.Add(appendOrder(nil, &order{args: []string{"a", "b"}, dir: "d"})[frameHeader:])
	f.Add(appendOutcome(nil, Outcome{Kind: Trapped, Trap: "stack"})[frameHeader:])
	f.Fuzz(func(_ *testing.T, payload []byte) {
		_, _ = decodeOrder(payload)
		_, _ = decodeOutcome(payload)
		_, _, _ = decodeLoad(payload)
		_, _, _, _ = decodeData(payload)
	})
}
