package launch

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// reportFD is the descriptor on which a node process finds the pipe to its launch.
const reportFD = 3

// maxReport bounds one line of a report, in bytes.
const maxReport = 64 << 10

// report is one line that a node process tells its launch: where it is up, or why it ends.
type report struct {
	ID      string `json:"id,omitempty"`
	Address string `json:"address,omitempty"`
	Failure string `json:"failure,omitempty"`
}

// Reporter is a node process's side of the pipe to the launch that started it.
type Reporter struct {
	w        io.Writer
	launcher io.Reader // it never says anything, but ends with the launch
}

// NewReporter returns the reporter of this process, which a launch has started.
func NewReporter() (*Reporter, error) {
	var about unix.Stat_t
	if err := unix.Fstat(reportFD, &about); err != nil || about.Mode&unix.S_IFMT != unix.S_IFIFO {
		return nil, fmt.Errorf("no launch started this process: leave --launched out")
	}
	unix.CloseOnExec(reportFD) // the node's own children have nothing to report
	return &Reporter{w: os.NewFile(reportFD, "report"), launcher: os.Stdin}, nil
}

// Up says that the node of that id is up and listens at address, which is empty if it only dials out.
func (r *Reporter) Up(id, address string) error { return r.tell(report{ID: id, Address: address}) }

// Failed says why the node ends, in a sentence for people.
func (r *Reporter) Failed(reason error) error { return r.tell(report{Failure: reason.Error()}) }

func (r *Reporter) tell(line report) error {
	if err := json.NewEncoder(r.w).Encode(line); err != nil {
		return fmt.Errorf("report to the launch: %w", err)
	}
	return nil
}

// AwaitOrphaned returns when the launch is gone.
func (r *Reporter) AwaitOrphaned() {
	_, _ = io.Copy(io.Discard, r.launcher) // a broken pipe says the same as a closed one
}

// readReports sends what a node process tells, and closes the channel when there will be no more.
func readReports(r io.Reader, to chan<- report) {
	defer close(to)
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxReport)
	for lines.Scan() {
		var line report
		if json.Unmarshal(lines.Bytes(), &line) == nil {
			to <- line
		}
	}
}
