package postgres

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// sweep clears away what a killed stack or postmaster left in a data directory:
// backends that have not noticed yet, and the pid file, which may name a process
// that is somebody else's by now. The caller holds the lock of the state
// directory, so that whatever runs there is nobody's.
//
// Every Postgres process has the data directory as its working directory; that
// is how they are found. Without /proc none is, and Postgres itself decides
// whether its pid file is stale.
func sweep(dataDir string) error {
	if _, err := os.Stat("/proc/self/cwd"); err != nil {
		return nil
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		left := workingIn(dataDir)
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("processes %v still work in %s: end them by hand", left, dataDir)
		}
		for _, pid := range left {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	err := os.Remove(filepath.Join(dataDir, "postmaster.pid"))
	if err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("remove a stale pid file: %w", err)
	}
	return nil
}

// workingIn lists the processes whose working directory is dir.
func workingIn(dir string) []int {
	resolved, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil // no such directory, so nobody in it
	}
	var pids []int
	links, _ := filepath.Glob("/proc/[0-9]*/cwd")
	for _, link := range links {
		target, err := os.Readlink(link)
		if err != nil || target != resolved {
			continue
		}
		if pid, err := strconv.Atoi(filepath.Base(filepath.Dir(link))); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}
