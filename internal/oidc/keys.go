package oidc

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"golang.org/x/sync/singleflight"
)

const (
	askTimeout = 5 * time.Second // for an issuer to answer
	lookAgain  = time.Second     // between two fetches of an issuer's keys, however many tokens have unknown ones
	leaveAlone = 5 * time.Second // that an issuer which failed is not asked
	keysAge    = 5 * time.Minute // after which keys are fetched although nobody misses one: some may be gone
)

// errUnknownKey means that a key ring lacks the key that a token names.
var errUnknownKey = errors.New("oidc: the issuer has no such key")

// ring is what an issuer publishes. It never changes: another takes its place.
type ring struct {
	published  []byte            // the JSON Web Key Set
	keys       []jose.JSONWebKey // those of it that sign tokens
	introspect string            // the URL to ask about tokens; "" if there is none
}

// verify returns the payload if a key of the ring made the signature. The error is errUnknownKey if the ring lacks
// the key, so that a newer one may have it.
func (r *ring) verify(jws *jose.JSONWebSignature) ([]byte, error) {
	err := errUnknownKey
	header := jws.Signatures[0].Header
	for _, key := range r.keys {
		if header.KeyID != "" && key.KeyID != header.KeyID || key.Algorithm != "" && key.Algorithm != header.Algorithm {
			continue
		}
		payload, failure := jws.Verify(key)
		if failure == nil {
			return payload, nil
		}
		if header.KeyID != "" {
			err = failure
		}
	}
	return nil, err
}

// keyring holds an issuer's current ring. The issuer is asked when there is none yet, when a token's key is missing
// and when the ring is old; by one fetch at a time that everybody waits for, at most once in lookAgain, and while
// it fails at most once in leaveAlone.
type keyring struct {
	fetch  func(ctx context.Context, last *ring) (*ring, error) // answers last if nothing has changed
	flight singleflight.Group
	state  atomic.Pointer[keyState]
}

type keyState struct {
	ring    *ring     // the last that was fetched; nil before the first
	asked   time.Time // when that fetch began
	failure error     // of the fetch after it, if that failed
	next    time.Time // no fetch before
}

func newKeyring(fetch func(ctx context.Context, last *ring) (*ring, error)) *keyring {
	k := &keyring{fetch: fetch}
	k.state.Store(&keyState{})
	return k
}

// current is the ring that is held, nil before the first. An old one is replaced behind the caller's back.
func (k *keyring) current(ctx context.Context) *ring {
	fresh := time.Now().Add(-keysAge)
	held := k.state.Load().ring
	if r, err := k.known(fresh); held != nil && r == nil && err == nil {
		k.renew(ctx, fresh)
	}
	return held
}

// since returns a ring that was asked for at the given time or later, and waits for it if need be. The zero time is
// content with any. The error is the context's, or says why the issuer cannot be asked.
func (k *keyring) since(ctx context.Context, at time.Time) (*ring, error) {
	for {
		if r, err := k.known(at); r != nil || err != nil {
			return r, err
		}
		select {
		case <-k.renew(ctx, at):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// known is since without asking: neither a ring nor an error means that it is time to ask.
func (k *keyring) known(at time.Time) (*ring, error) {
	s := k.state.Load()
	switch {
	case s.ring != nil && !s.asked.Before(at):
		return s.ring, nil
	case s.failure != nil && time.Now().Before(s.next):
		return nil, s.failure
	default:
		return nil, nil
	}
}

// renew asks the issuer, unless another has in the meantime. It is over when the fetch that is under way is, which goes on
// though its caller leaves.
func (k *keyring) renew(ctx context.Context, at time.Time) <-chan singleflight.Result {
	return k.flight.DoChan("", func() (any, error) {
		if r, err := k.known(at); r == nil && err == nil {
			k.replace(context.WithoutCancel(ctx))
		}
		return nil, nil
	})
}

// replace fetches once, when it is time. What comes of it is in the state.
func (k *keyring) replace(ctx context.Context) {
	last := k.state.Load()
	time.Sleep(time.Until(last.next))
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	asked := time.Now()
	found, err := k.fetch(ctx, last.ring)
	if err != nil {
		k.state.Store(&keyState{ring: last.ring, asked: last.asked, failure: err, next: time.Now().Add(leaveAlone)})
		return
	}
	k.state.Store(&keyState{ring: found, asked: asked, next: time.Now().Add(lookAgain)})
}
