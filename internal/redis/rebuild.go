package redis

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

const (
	keep     = 48 * time.Hour        // a window outlives its end by this, for requests that are settled late
	attempts = 5                     // to rebuild a window that vanishes again, or changes meanwhile
	patience = 5                     // seconds: a rebuild that takes longer is another's to make
	pause    = 20 * time.Millisecond // between two looks at the rebuild of another
)

// verdicts of begin.lua and install.lua.
const (
	begun = iota
	busy
	isWarm
)

const (
	installed = iota
	lost
	unclear
)

// warm restores a window that is not there. Requests that come together share one restore.
func (q *Quota) warm(ctx context.Context, subject string, w gateway.Window) error {
	shared := context.WithoutCancel(ctx) // the first to come may leave before the others
	done := q.flight.DoChan(keys(subject, w)[0], func() (any, error) {
		bounded, cancel := context.WithTimeout(shared, patience*time.Second)
		defer cancel()
		_, err := q.rebuild(bounded, subject, w, true)
		return nil, err
	})
	select {
	case <-ctx.Done():
		return ctx.Err()
	case result := <-done:
		if result.Err != nil {
			return fmt.Errorf("restore window: %w", result.Err)
		}
		return nil
	}
}

// Reconcile compares a window with the database and puts it right, and reports what was wrong; nil if nothing was. Requests
// go on meanwhile. A window that is not there is restored. An error with [gateway.ErrWindowBusy] in its chain means that it
// is right or wrong as before.
func (q *Quota) Reconcile(ctx context.Context, subject string, w gateway.Window) (*gateway.Drift, error) {
	drift, err := q.rebuild(ctx, subject, w, false)
	if err != nil {
		return nil, fmt.Errorf("redis: reconcile: %w", err)
	}
	return drift, nil
}

// rebuild makes a window what the database says; if only a cold one is wanted, a warm one is left as it is.
func (q *Quota) rebuild(ctx context.Context, subject string, w gateway.Window, cold bool) (*gateway.Drift, error) {
	for range attempts {
		token := uuid.NewString()
		verdict, open, late, err := q.start(ctx, subject, w, token, cold)
		switch {
		case err != nil:
			return nil, err
		case verdict == isWarm:
			return nil, nil
		case verdict == busy:
			if err := q.await(ctx, subject, w); err != nil {
				return nil, err
			}
			continue
		}
		snap, err := q.source.Snapshot(ctx, subject, w, open)
		if err != nil {
			q.giveUp(ctx, subject, w)
			return nil, err
		}
		verdict, drift, err := q.finish(ctx, subject, w, token, late, open, snap)
		if err == nil && verdict == installed {
			return drift, nil
		}
		if err != nil || verdict == unclear {
			q.giveUp(ctx, subject, w)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, gateway.ErrWindowBusy
}

// start runs begin.lua.
func (q *Quota) start(ctx context.Context, subject string, w gateway.Window, token string, cold bool) (verdict int64, open []uuid.UUID, late []string, err error) {
	reply, err := q.begin.Run(ctx, q.client, keys(subject, w)[:1], token, patience, cold).Slice()
	if err != nil || len(reply) == 0 {
		return 0, nil, nil, orMalformed(err)
	}
	verdict, _ = reply[0].(int64)
	for i, field := range reply[1:] {
		text, _ := field.(string)
		if text == "" {
			for _, rest := range reply[i+2:] {
				id, _ := rest.(string)
				late = append(late, id)
			}
			break
		}
		if id, ok := parseID(text); ok {
			open = append(open, id)
		}
	}
	return verdict, open, late, nil
}

// await waits until another has rebuilt the window, or has left it.
func (q *Quota) await(ctx context.Context, subject string, w gateway.Window) error {
	for range patience * int(time.Second/pause) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
		rebuilding, err := q.client.HExists(ctx, keys(subject, w)[0], "rebuild").Result()
		if err != nil || !rebuilding {
			return err
		}
	}
	return nil // begin.lua takes over
}

// giveUp lets others rebuild the window at once. Where that fails they wait for the deadline.
func (q *Quota) giveUp(ctx context.Context, subject string, w gateway.Window) {
	_ = q.client.HDel(context.WithoutCancel(ctx), keys(subject, w)[0], "rebuild").Err()
}

// finish runs install.lua.
func (q *Quota) finish(ctx context.Context, subject string, w gateway.Window, token string, late []string, open []uuid.UUID, snap gateway.Snapshot) (verdict int64, drift *gateway.Drift, err error) {
	now := time.Now()
	expiry := w.Reset.Add(keep)
	if soonest := now.Add(time.Hour); expiry.Before(soonest) {
		expiry = soonest // a window of long ago is wanted again
	}
	list := arguments{token, expiry.Unix(), w.Start.Unix(), w.Reset.Unix(), now.Add(q.place).UnixMilli()}
	list = append(list, len(snap.Settled))
	for class, used := range snap.Settled {
		list = append(list, class, used.Requests, used.Tokens)
	}
	list = append(list, len(snap.Open))
	for _, r := range snap.Open {
		list = append(list, r.ID.String(), r.Charge.Requests, r.Charge.Tokens, r.Class, r.Ended)
	}
	list = append(list, len(snap.Asked))
	for _, r := range snap.Asked {
		list = append(list, r.ID.String(), r.Charge.Requests, r.Charge.Tokens, r.Class)
	}
	list.ids(unknown(open, snap))
	list = append(list, len(late))
	for _, id := range late {
		list = append(list, id)
	}
	list = append(list, len(snap.Minute))
	for _, id := range snap.Minute {
		list = append(list, id.String(), gateway.IDTime(id).UnixMilli())
	}
	list.ids(snap.Running)
	reply, err := q.install.Run(ctx, q.client, keys(subject, w), list...).Int64Slice()
	if err != nil || len(reply) != 8 {
		return 0, nil, orMalformed(err)
	}
	before, after := gateway.Used{Requests: reply[2], Tokens: reply[3]}, gateway.Used{Requests: reply[4], Tokens: reply[5]}
	if wasWarm := reply[1] == 1; wasWarm && (before != after || reply[6]+reply[7] > 0) {
		drift = &gateway.Drift{Subject: subject, Window: w, Before: before, After: after, Reservations: int(reply[7])}
	}
	return reply[0], drift, nil
}

// unknown are those of the reservations that the database has never heard of.
func unknown(open []uuid.UUID, snap gateway.Snapshot) []uuid.UUID {
	known := make(map[uuid.UUID]bool, len(snap.Open)+len(snap.Asked))
	for _, r := range snap.Open {
		known[r.ID] = true
	}
	for _, r := range snap.Asked {
		known[r.ID] = true
	}
	var rest []uuid.UUID
	for _, id := range open {
		if !known[id] {
			rest = append(rest, id)
		}
	}
	return rest
}

// arguments are those of a script, with lists after their lengths.
type arguments []any

func (a *arguments) ids(list []uuid.UUID) {
	*a = append(*a, len(list))
	for _, id := range list {
		*a = append(*a, id.String())
	}
}
