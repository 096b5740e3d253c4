package supervise

import (
	"context"
	"fmt"
)

// Once runs a program to its end, tied to the host like a supervised child. It
// is killed when the context ends. The error carries the end of its log.
func Once(ctx context.Context, host *Host, spec Spec) error {
	log, offset, err := openLog(spec.LogFile)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := spec.command(log)
	if err := host.start(cmd); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = killTree(cmd.Process.Pid) })
	defer stop()
	if err := cmd.Wait(); err != nil {
		err = fmt.Errorf("%s failed: %w (log: %s)", spec.Name, err, spec.LogFile)
		if tail := Tail(spec.LogFile, offset, 15); tail != "" {
			err = fmt.Errorf("%w\n%s", err, tail)
		}
		return err
	}
	return nil
}
