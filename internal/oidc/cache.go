package oidc

import (
	"crypto/sha256"
	"sync"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// cache keeps the principals of verified tokens until the tokens expire. It holds hashes, so that a dump of the
// process's memory gives no tokens away by it.
type cache struct {
	mu    sync.RWMutex
	size  int
	known map[[sha256.Size]byte]verified
}

type verified struct {
	principal gateway.Principal
	expires   time.Time
}

func newCache(size int) *cache {
	return &cache{size: max(size, 1), known: make(map[[sha256.Size]byte]verified)}
}

func (c *cache) get(hash [sha256.Size]byte, now time.Time) (gateway.Principal, bool) {
	c.mu.RLock()
	v, ok := c.known[hash]
	c.mu.RUnlock()
	return v.principal, ok && now.Before(v.expires)
}

func (c *cache) put(hash [sha256.Size]byte, p gateway.Principal, expires, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= c.size {
		c.makeRoom(now)
	}
	c.known[hash] = verified{p, expires}
}

// makeRoom drops the expired tokens, or any one if none has expired.
func (c *cache) makeRoom(now time.Time) {
	for hash, v := range c.known {
		if !now.Before(v.expires) {
			delete(c.known, hash)
		}
	}
	for hash := range c.known {
		if len(c.known) < c.size {
			return
		}
		delete(c.known, hash)
	}
}
