package exchange

import (
	"sync"
	"time"
)

// lingering is how long a backend may take to close a stream whose final event is here.
const lingering = time.Second

// watch looks after silence on both sides of an answer: a backend that says nothing for too long is given up, and
// a client that is sent nothing for a while is sent a ping. One timer does both; bytes that pass only leave their
// time behind.
type watch struct {
	client Client
	alive  func() []byte // what a waiting client is sent
	ping   time.Duration
	giveUp func()

	mu       sync.Mutex // also keeps a ping from being written in the midst of a chunk
	idle     time.Duration
	read     time.Time // the backend's last byte
	written  time.Time // the client's last byte
	boundary bool      // a ping may be put in
	stopped  bool
	timer    *time.Timer
}

func newWatch(client Client, alive func() []byte, opts Options, giveUp func()) *watch {
	now := time.Now()
	w := &watch{client: client, alive: alive, ping: opts.PingInterval, idle: opts.IdleTimeout, giveUp: giveUp, read: now, written: now}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(min(w.ping, w.idle), w.look)
	return w
}

// pass writes p to the client. boundary tells whether a ping may follow it.
func (w *watch) pass(p []byte, boundary bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.boundary = boundary
	var err error
	if len(p) > 0 {
		err = w.client.Write(p)
	}
	// The times are taken after the write: a client that reads slowly is no reason to give the backend up.
	w.read = time.Now()
	if len(p) > 0 {
		w.written = w.read
	}
	return err
}

// heard notes a byte from the backend that is not passed on yet.
func (w *watch) heard() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.read = time.Now()
}

// linger shortens the patience with a backend that has said everything.
func (w *watch) linger() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.idle = min(w.idle, lingering)
	w.timer.Reset(w.idle)
}

// stop ends the watch. When it returns, no ping is being written and none will be.
func (w *watch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}

// look is the timer's: it acts on what is due and sets the timer for what is due next.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	now := time.Now()
	if now.Sub(w.read) >= w.idle {
		w.giveUp()
		return
	}
	next := w.read.Add(w.idle)
	if due := w.written.Add(w.ping); now.Before(due) {
		next = earlier(next, due)
	} else {
		if w.boundary {
			_ = w.client.Write(w.alive()) // a client that is gone is noticed by its connection
			w.written = now
		}
		next = earlier(next, now.Add(w.ping))
	}
	w.timer.Reset(next.Sub(now))
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
