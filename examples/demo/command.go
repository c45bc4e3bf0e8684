package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// ask runs a ucp command as the user would, shown as it is typed, and returns what it prints.
func (d *demo) ask(ctx context.Context, stdin io.Reader, shown string, args ...string) ([]byte, error) {
	d.say("$ ucp %s", shown)
	cmd := exec.CommandContext(ctx, d.ucp, args...)
	cmd.Env, cmd.SysProcAttr, cmd.Stdin = d.env, apart(), stdin
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("ucp %s: %w: %s", shown, err, strings.TrimSpace(complaints.String()))
	}
	return out.Bytes(), nil
}

// command runs a ucp command and shows what it prints.
func (d *demo) command(ctx context.Context, args ...string) error {
	out, err := d.ask(ctx, nil, strings.Join(args, " "), args...)
	if err != nil {
		return err
	}
	d.quote(string(out))
	return nil
}
