package config

import (
	"errors"
	"fmt"
	"time"
)

// BatchNative is the way of a route whose items go through the backend's own batch API.
const BatchNative = "native"

// Batch is how lists of requests are taken and run.
type Batch struct {
	Enabled     bool          `koanf:"enabled"`      // frontends take batches, workers run them
	TaskQueue   string        `koanf:"task_queue"`   // of the activities that run items, beside temporal.task_queue
	MaxItems    int           `koanf:"max_items"`    // of one batch
	MaxBytes    int64         `koanf:"max_bytes"`    // of the request that makes an Anthropic batch
	MaxFile     int64         `koanf:"max_file"`     // bytes of an uploaded file
	MaxLines    int           `koanf:"max_lines"`    // of a file that a batch is made of
	UploadIdle  time.Duration `koanf:"upload_idle"`  // an upload that sends nothing for this long is given up
	Window      time.Duration `koanf:"window"`       // from a batch's making until what has not run expires
	Retention   time.Duration `koanf:"retention"`    // of results, from a batch's end; and of files
	Concurrency int           `koanf:"concurrency"`  // items that a worker has at backends at once
	PerBackend  int           `koanf:"per_backend"`  // of those at one backend; 0 is no limit of its own
	PerTenant   int           `koanf:"per_tenant"`   // of those for one user; 0 leaves it to the fair share
	Chunk       int           `koanf:"chunk"`        // items that are one activity
	Chunks      int           `koanf:"chunks"`       // of one batch at once
	ChunkTime   time.Duration `koanf:"chunk_time"`   // after which a chunk lets others have its place
	NativeChunk int           `koanf:"native_chunk"` // items in one batch of a backend's own
	Attempts    int           `koanf:"attempts"`     // at most, for an item that fails; too much load at a backend does not count
	Recheck     time.Duration `koanf:"recheck"`      // how often a batch that waits for its owner's quota looks whether there is some already

	SubmissionKeyFile string        `koanf:"submission_key_file"` // the secret that permissions to start batches through Temporal are signed with, 32 bytes or more; "" gives none
	SubmissionTTL     time.Duration `koanf:"submission_ttl"`      // how long such a permission is good
	Services          []Service     `koanf:"services"`            // that sign permissions of their own
}

// Service is a program that starts batches through Temporal for itself: it signs its own permissions.
type Service struct {
	Name          string `koanf:"name"`            // the issuer in its permissions
	PublicKeyFile string `koanf:"public_key_file"` // PEM, of an Ed25519, ECDSA or RSA key
	Subject       string `koanf:"subject"`         // whose quota its batches take
	User          string `koanf:"user"`            // the name people know it by
	Tier          string `koanf:"tier"`
}

func (c *Config) checkBatch() error {
	b := c.Batch
	if !b.Enabled {
		return nil
	}
	errs := []error{
		required("batch.task_queue", b.TaskQueue),
		positive("batch.max_items", int64(b.MaxItems)), positive("batch.max_bytes", b.MaxBytes), positive("batch.max_file", b.MaxFile),
		positive("batch.max_lines", int64(b.MaxLines)), positive("batch.upload_idle", int64(b.UploadIdle)), positive("batch.window", int64(b.Window)),
		positive("batch.retention", int64(b.Retention)), positive("batch.concurrency", int64(b.Concurrency)), positive("batch.chunk", int64(b.Chunk)),
		positive("batch.chunks", int64(b.Chunks)), positive("batch.chunk_time", int64(b.ChunkTime)), positive("batch.native_chunk", int64(b.NativeChunk)),
		positive("batch.attempts", int64(b.Attempts)), positive("batch.recheck", int64(b.Recheck)), positive("batch.submission_ttl", int64(b.SubmissionTTL)),
	}
	if b.TaskQueue == c.Temporal.TaskQueue {
		errs = append(errs, errors.New("batch.task_queue must not be temporal.task_queue: batches would keep requests waiting"))
	}
	seen := map[string]bool{}
	for i, s := range b.Services {
		at := fmt.Sprintf("batch.services[%d]", i)
		errs = append(errs, required(at+".name", s.Name), required(at+".public_key_file", s.PublicKeyFile), required(at+".subject", s.Subject))
		if _, ok := c.Tiers[s.Tier]; !ok {
			errs = append(errs, fmt.Errorf("%s.tier: there is no tier %q", at, s.Tier))
		}
		if seen[s.Name] {
			errs = append(errs, fmt.Errorf("%s.name: %q is another service's", at, s.Name))
		}
		seen[s.Name] = true
	}
	return errors.Join(errs...)
}
