package launch

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/urbancompute/ucp/config"
)

// ErrNotRunning says that no launch of a cluster file runs on this machine.
var ErrNotRunning = errors.New("is not launched here")

// stopPoll is the time between two looks at whether a launch has ended.
const stopPoll = 20 * time.Millisecond

// Stop ends the launch of the cluster file that runs on this machine, and waits until it has ended its nodes or ctx ends. It
// returns the id of the process it ended, or an error that wraps [ErrNotRunning].
func Stop(ctx context.Context, c config.Cluster) (pid int, err error) {
	path, err := holdPath(c)
	if err != nil {
		return 0, err
	}
	pid, err = ask(ctx, path)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", c.File, err)
	}
	if pid == 0 {
		return 0, fmt.Errorf("%s %w", c.File, ErrNotRunning)
	}
	err = poll(ctx, func() (bool, error) {
		now, held, err := Holder(path)
		return !held || now != 0 && now != pid, err
	})
	if err != nil {
		return pid, fmt.Errorf("process %d, which launched %s, does not end (%w): end it with \"kill -9 %d\"", pid, c.File, err, pid)
	}
	return pid, nil
}

// ask asks the holder of path to end and returns its id, 0 if there is none.
func ask(ctx context.Context, path string) (pid int, err error) {
	err = poll(ctx, func() (bool, error) {
		var held bool
		pid, held, err = Holder(path)
		return !held || pid != 0, err // a launch that begins just now says its id in a moment
	})
	if err != nil || pid == 0 {
		return 0, err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil && !errors.Is(err, syscall.ESRCH) {
		return 0, fmt.Errorf("process %d cannot be ended: %w", pid, err)
	}
	return pid, nil
}

// poll waits until done says so, or fails, or ctx ends.
func poll(ctx context.Context, done func() (bool, error)) error {
	again := time.NewTicker(stopPoll)
	defer again.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-again.C:
		}
	}
}
