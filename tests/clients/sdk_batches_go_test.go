package clients_test

import (
	"context"
	"time"
)

// ended asks for a batch until it has ended, as a program does: every 200 ms.
func ended[B any](ctx context.Context, get func() (B, error), has func(B) bool) (B, error) {
	for {
		batch, err := get()
		if err != nil || has(batch) {
			return batch, err
		}
		select {
		case <-ctx.Done():
			return batch, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// sequence is what the SDKs for Go give many of a thing as: the pages of a list, or the lines of results.
type sequence[T any] interface {
	Next() bool
	Current() T
	Err() error
}

// all makes something of each part of a sequence.
func all[T, V any](parts sequence[T], of func(T) V) (values []V, err error) {
	for parts.Next() {
		values = append(values, of(parts.Current()))
	}
	return values, parts.Err()
}

// listed is the reply to the call of a list.
func listed(ids []string, err error) (reply, error) { return reply{Batch: batchReply{IDs: ids}}, err }
