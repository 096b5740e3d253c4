package oidc

import (
	"crypto/sha256"
	"sync"
	"time"
)

// digest stands for a token: a dump of the process's memory gives no tokens away by it.
type digest [sha256.Size]byte

// cache keeps what was found out about tokens, each until its time is over.
type cache[T any] struct {
	mu    sync.RWMutex
	size  int
	known map[digest]entry[T]
}

type entry[T any] struct {
	value   T
	expires time.Time
}

func newCache[T any](size int) *cache[T] {
	return &cache[T]{size: max(size, 1), known: make(map[digest]entry[T])}
}

func (c *cache[T]) get(token digest, now time.Time) (T, bool) {
	c.mu.RLock()
	e, ok := c.known[token]
	c.mu.RUnlock()
	return e.value, ok && now.Before(e.expires)
}

func (c *cache[T]) put(token digest, value T, expires, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= c.size {
		c.makeRoom(now)
	}
	c.known[token] = entry[T]{value, expires}
}

// makeRoom drops what is over, and any others until a tenth is free: a crowd of new tokens then pays for one look
// at the whole once in a while.
func (c *cache[T]) makeRoom(now time.Time) {
	for token, e := range c.known {
		if !now.Before(e.expires) {
			delete(c.known, token)
		}
	}
	for token := range c.known {
		if len(c.known) < c.size-c.size/10 {
			return
		}
		delete(c.known, token)
	}
}
