// Package spool keeps records on the local disk while the database is away. A record is on the disk, synced, when
// Put returns, and stays there until the database has it.
package spool

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	suffix      = ".json"
	quarantined = ".refused"
	drainBatch  = 64
	drainEvery  = time.Second
)

// Stager is where spooled records go in the end. Staging a record twice must be harmless.
type Stager interface {
	Stage(ctx context.Context, intents []*gateway.Intent, attempts []*gateway.Attempt, outcomes []*gateway.Outcome) error
}

// record is the content of one file. Exactly one of its fields is set.
type record struct {
	Intent  *gateway.Intent  `json:"intent,omitempty"`
	Attempt *gateway.Attempt `json:"attempt,omitempty"`
	Outcome *outcome         `json:"outcome,omitempty"`
}

// outcome is a gateway.Outcome in a file.
type outcome gateway.Outcome

// UnmarshalJSON takes an outcome that does not say how often its request was sent to be of a version that sent every
// request once.
func (o *outcome) UnmarshalJSON(text []byte) error {
	o.Attempts = 1
	return json.Unmarshal(text, (*gateway.Outcome)(o))
}

// Spool is a directory of records. It is safe for concurrent use; one process owns the directory.
type Spool struct {
	dir   string
	max   int64
	lock  *os.File
	bytes atomic.Int64
	files atomic.Int64
}

// Open takes the directory, making it if need be, and counts what an earlier process left in it. maxBytes is the
// size at which the spool calls itself full. The error says so if another process owns the directory.
func Open(dir string, maxBytes int64) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("spool: %s is used by another process; give each frontend an audit.spool_dir of its own", dir), lock.Close())
	}
	s := &Spool{dir: dir, max: maxBytes, lock: lock}
	names, err := s.names()
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	for _, name := range names {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil {
			s.bytes.Add(info.Size())
			s.files.Add(1)
		}
	}
	return s, nil
}

// Close gives the directory up. What is in it stays.
func (s *Spool) Close() error { return s.lock.Close() }

// Size is what waits in the spool.
func (s *Spool) Size() (files, bytes int64) { return s.files.Load(), s.bytes.Load() }

// Full reports whether the spool has reached its limit. Records of running requests are still taken; new requests
// should be refused.
func (s *Spool) Full() bool { return s.bytes.Load() >= s.max }

// PutIntent stores an intent durably.
func (s *Spool) PutIntent(in *gateway.Intent) error {
	return s.put(in.ID.String()+".0", record{Intent: in})
}

// PutAttempt stores an attempt durably.
func (s *Spool) PutAttempt(a *gateway.Attempt) error {
	return s.put(fmt.Sprintf("%s.0_%02d", a.Request, a.N), record{Attempt: a})
}

// PutOutcome stores an outcome durably.
func (s *Spool) PutOutcome(out *gateway.Outcome) error {
	return s.put(out.ID.String()+".1", record{Outcome: (*outcome)(out)})
}

// put writes, syncs, then renames, so that a file under its final name is always whole. Names sort by request, and
// then intent, attempts, outcome: the ids are ordered by time.
func (s *Spool) put(name string, r record) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("spool: %w", err)
		}
	}()
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(s.dir, "writing-*")
	if err != nil {
		return err
	}
	_, err = temp.Write(text)
	err = errors.Join(err, temp.Sync(), temp.Close())
	final := filepath.Join(s.dir, name+suffix)
	if err == nil {
		err = os.Rename(temp.Name(), final)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp.Name()))
	}
	s.bytes.Add(int64(len(text)))
	s.files.Add(1)
	return syncDir(s.dir)
}

// Run moves records to the database whenever it takes them, until ctx ends.
func (s *Spool) Run(ctx context.Context, to Stager, log *slog.Logger) {
	tick := time.NewTicker(drainEvery)
	defer tick.Stop()
	for {
		if n, err := s.Drain(ctx, to, log); n > 0 || err != nil {
			files, bytes := s.Size()
			log.Info("spool", "drained", n, "files_left", files, "bytes_left", bytes, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// Drain moves what is in the spool to the database, oldest first, and returns how many records it moved. It stops
// at the first error that is not the fault of one record.
func (s *Spool) Drain(ctx context.Context, to Stager, log *slog.Logger) (moved int, err error) {
	if s.files.Load() == 0 {
		return 0, nil
	}
	names, err := s.names()
	if err != nil {
		return 0, err
	}
	for batch := range slices.Chunk(names, drainBatch) {
		err := s.stage(ctx, to, batch)
		if err == nil {
			moved += len(batch)
			continue
		}
		// One record the database cannot hold must not keep the others from it: try them one by one.
		if !errors.Is(err, gateway.ErrRecordRefused) {
			return moved, err
		}
		for _, name := range batch {
			switch err := s.stage(ctx, to, []string{name}); {
			case err == nil:
				moved++
			case errors.Is(err, gateway.ErrRecordRefused):
				log.Error("spool: the database refuses a record; it is kept aside", "file", name+quarantined, "error", err)
				if err := s.quarantine(name); err != nil {
					return moved, err
				}
			default:
				return moved, err
			}
		}
	}
	return moved, nil
}

func (s *Spool) stage(ctx context.Context, to Stager, names []string) error {
	var intents []*gateway.Intent
	var attempts []*gateway.Attempt
	var outcomes []*gateway.Outcome
	var sizes []int64
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			return fmt.Errorf("spool: %w", err)
		}
		var r record
		if err := json.Unmarshal(text, &r); err != nil {
			return fmt.Errorf("spool: %s is not a record: %w", name, errors.Join(err, gateway.ErrRecordRefused))
		}
		switch {
		case r.Intent != nil:
			intents = append(intents, r.Intent)
		case r.Attempt != nil:
			attempts = append(attempts, r.Attempt)
		case r.Outcome != nil:
			outcomes = append(outcomes, (*gateway.Outcome)(r.Outcome))
		default:
			return fmt.Errorf("spool: %s is not a record: %w", name, gateway.ErrRecordRefused)
		}
		sizes = append(sizes, int64(len(text)))
	}
	if err := to.Stage(ctx, intents, attempts, outcomes); err != nil {
		return err
	}
	for i, name := range names {
		if err := os.Remove(filepath.Join(s.dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("spool: %w", err)
		}
		s.forget(sizes[i])
	}
	return syncDir(s.dir)
}

func (s *Spool) quarantine(name string) error {
	path := filepath.Join(s.dir, name)
	info, err := os.Stat(path)
	if err == nil {
		err = os.Rename(path, path+quarantined)
	}
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	s.forget(info.Size())
	return nil
}

func (s *Spool) forget(size int64) {
	s.bytes.Add(-size)
	s.files.Add(-1)
}

// names lists the whole records, oldest first.
func (s *Spool) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), suffix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
