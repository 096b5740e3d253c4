package stack

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/openova-io/llm-gateway/dev/internal/postgres"
)

// directory is the state directory of a running stack. Only one stack at a time
// has it: the lock is the kernel's and ends with the process that holds it.
type directory struct {
	path string
	lock *os.File
}

// lockName is also what tells a state directory from any other.
const lockName = "stack.lock"

// openDirectory makes and locks a state directory. With wipe it is emptied
// first; what no stack made is never deleted.
func openDirectory(path string, wipe, ephemeral bool) (*directory, error) {
	if err := os.MkdirAll(filepath.Join(path, "log"), 0o755); err != nil {
		return nil, fmt.Errorf("create the state directory: %w", err)
	}
	if wipe || ephemeral {
		if err := checkOurs(path); err != nil {
			return nil, err
		}
	}
	lock, err := os.OpenFile(filepath.Join(path, lockName), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock the state directory: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another stack runs in %s: stop it, or choose another directory with --dir (%w)", path, err)
	}
	d := &directory{path: path, lock: lock}
	if wipe {
		if err := d.wipe(); err != nil {
			lock.Close()
			return nil, err
		}
	}
	// A stack that was killed leaves this behind, and it would mislead scripts.
	if err := os.Remove(d.file(stateFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		lock.Close()
		return nil, fmt.Errorf("remove a stale %s: %w", stateFile, err)
	}
	return d, nil
}

// checkOurs refuses to delete what no stack made, such as a home directory.
func checkOurs(path string) error {
	if _, err := os.Stat(filepath.Join(path, lockName)); err == nil {
		return nil
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("read the state directory: %w", err)
	}
	for _, entry := range entries {
		if entry.Name() != "log" { // that one was made just now
			return fmt.Errorf("%s is not empty and not a state directory: it will not be deleted; choose another with --dir", path)
		}
	}
	return nil
}

// wipe deletes everything but the lock, and the database wherever it is.
func (d *directory) wipe() error {
	errs := []error{postgres.Wipe(d.path)}
	entries, err := os.ReadDir(d.path)
	errs = append(errs, err)
	for _, entry := range entries {
		if entry.Name() != lockName {
			errs = append(errs, os.RemoveAll(d.file(entry.Name())))
		}
	}
	errs = append(errs, os.MkdirAll(d.file("log"), 0o755))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("delete the state: %w", err)
	}
	return nil
}

// remove deletes the directory itself.
func (d *directory) remove() error {
	return errors.Join(d.wipe(), os.RemoveAll(d.path))
}

// close gives the directory up.
func (d *directory) close() error { return d.lock.Close() }

// file is the path of a file in the directory.
func (d *directory) file(name string) string { return filepath.Join(d.path, name) }

// log is the path of the log of a process.
func (d *directory) log(name string) string { return filepath.Join(d.path, "log", name+".log") }

// writeSecret stores a file that only we may read.
func (d *directory) writeSecret(name, content string) error {
	if err := os.WriteFile(d.file(name), []byte(content), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
