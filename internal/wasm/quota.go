package wasm

// quota bounds what one guest does to its job directory.
//
// Bytes are counted as growth of files, holes included, so that nothing that is collected later is larger. What shrinks gives
// back; a deleted file does if nothing has it open and no other name is left.
type quota struct {
	bytes   int64 // left
	entries int64 // names that may still be made
	files   int   // descriptors that may still be opened
	denied  string
}

// One name may be made for each of these bytes of output, and some more, so that empty files cannot fill a disk either.
const (
	bytesPerEntry = 4 << 10
	freeEntries   = 1 << 10
)

func newQuota(l Limits) *quota {
	return &quota{bytes: l.OutputBytes, entries: l.OutputBytes/bytesPerEntry + freeEntries, files: l.OpenFiles + 1} // the directory itself is one
}

// grow reports whether a file may become n bytes longer, and counts them.
func (q *quota) grow(n int64) bool {
	if n <= 0 {
		q.bytes -= n
		return true
	}
	if n > q.bytes {
		q.deny(LimitOutput)
		return false
	}
	q.bytes -= n
	return true
}

func (q *quota) addEntry() bool {
	if q.entries <= 0 {
		q.deny(LimitOutput)
		return false
	}
	q.entries--
	return true
}

func (q *quota) openFile() bool {
	if q.files <= 0 {
		q.deny(LimitFiles)
		return false
	}
	q.files--
	return true
}

func (q *quota) deny(limit string) {
	if q.denied == "" {
		q.denied = limit
	}
}
