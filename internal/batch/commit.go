package batch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	commitTimeout = 10 * time.Second // for one transaction
	commitRows    = 64               // records in one
	writers       = 2                // transactions at once
)

// Stager commits records, all or none; see postgres.DB.Commit. Committing a record twice must be harmless.
type Stager interface {
	Commit(ctx context.Context, intents []*gateway.Intent, attempts []*gateway.Attempt, endings []*gateway.Ending) ([]gateway.Settlement, error)
	Withdraw(ctx context.Context, request uuid.UUID) error
}

// Settler counts requests against the quota, each once however often it is given.
type Settler interface {
	Settle(ctx context.Context, settlements ...gateway.Settlement) error
}

// entry is one record on its way. Exactly one of the first three is set.
type entry struct {
	intent  *gateway.Intent
	attempt *gateway.Attempt
	ending  *gateway.Ending
	done    chan error // has room for the one result
}

// committer commits records, many in one transaction. A writer takes what waits, commits it, and takes what came
// meanwhile. Nothing is promised to a caller before the commit, and nothing is kept for one that has given up: what is in
// doubt is looked up in the database by whoever works on the item next.
type committer struct {
	stager Stager
	quota  Settler
	log    *slog.Logger
	queue  chan *entry
	stop   chan struct{}
	all    sync.WaitGroup
}

func newCommitter(stager Stager, quota Settler, log *slog.Logger) *committer {
	c := &committer{stager: stager, quota: quota, log: log, queue: make(chan *entry), stop: make(chan struct{})}
	for range writers {
		c.all.Go(c.write)
	}
	return c
}

// close ends the writers. Nothing may be submitted any more.
func (c *committer) close() {
	close(c.stop)
	c.all.Wait()
}

// submit waits until the record is committed. After an error other than gateway.ErrRecordRefused it may be all the same.
func (c *committer) submit(ctx context.Context, e *entry) error {
	e.done = make(chan error, 1)
	select {
	case c.queue <- e:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return errors.Join(ctx.Err(), gateway.ErrFateUnknown)
	}
}

func (c *committer) write() {
	for {
		select {
		case e := <-c.queue:
			c.commit(c.gather(e))
		case <-c.stop:
			return
		}
	}
}

// gather takes the first record and all that wait behind it, up to a transaction's size.
func (c *committer) gather(first *entry) []*entry {
	batch := append(make([]*entry, 0, commitRows), first)
	for len(batch) < commitRows {
		select {
		case e := <-c.queue:
			batch = append(batch, e)
		default:
			return batch
		}
	}
	return batch
}

// commit stages records and tells each waiter. A record that the store cannot hold fails alone.
func (c *committer) commit(batch []*entry) {
	settlements, err := c.stage(batch)
	if errors.Is(err, gateway.ErrRecordRefused) && len(batch) > 1 {
		for _, e := range batch {
			c.commit([]*entry{e})
		}
		return
	}
	for _, e := range batch {
		e.done <- err
	}
	c.settle(settlements)
}

func (c *committer) stage(batch []*entry) ([]gateway.Settlement, error) {
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	var (
		intents  []*gateway.Intent
		attempts []*gateway.Attempt
		endings  []*gateway.Ending
	)
	for _, e := range batch {
		switch {
		case e.intent != nil:
			intents = append(intents, e.intent)
		case e.attempt != nil:
			attempts = append(attempts, e.attempt)
		default:
			endings = append(endings, e.ending)
		}
	}
	return c.stager.Commit(ctx, intents, attempts, endings)
}

// settle counts what is in the ledger now. If that fails the sweep does it, which finds the reservations left open.
func (c *committer) settle(settlements []gateway.Settlement) {
	if len(settlements) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), commitTimeout)
	defer cancel()
	if err := c.quota.Settle(ctx, settlements...); err != nil {
		c.log.Warn("quota: settlements are left to the sweep", "requests", len(settlements), "error", err)
	}
}
