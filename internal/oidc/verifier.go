// Package oidc turns access tokens into principals. It is the only importer of go-oidc.
package oidc

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Verifier authenticates callers by the tokens of the configured issuers. See [New].
type Verifier struct {
	issuers []*issuer // in the order of the configuration
	known   *cache[verdict]
}

// verdict is that a token is good: whose it is, and what vouches for it.
type verdict struct {
	principal gateway.Principal
	by        *issuer
	ring      *ring // with which it was found; when the issuer publishes another, the token is looked at anew
	until     time.Time
}

// New makes a verifier. It asks no issuer anything yet, so a gateway can start before its issuers do.
func New(cfg config.OIDC) *Verifier {
	v := &Verifier{known: newCache[verdict](cfg.CacheSize)}
	var prefixes []string
	for _, p := range cfg.Additional {
		prefixes = append(prefixes, p.SubjectPrefix)
	}
	for n, p := range cfg.Providers() {
		var reserved []string
		if n == 0 {
			reserved = prefixes
		}
		v.issuers = append(v.issuers, newIssuer(p, reserved))
	}
	return v
}

// Ready reports whether the tokens of any issuer can be judged: without one, nobody is served.
func (v *Verifier) Ready(ctx context.Context) error {
	if len(v.issuers) == 0 {
		return errNoIssuer
	}
	all := v.look(ctx)
	if slices.Contains(all, nil) {
		return nil
	}
	return errors.Join(all...)
}

// AllReady reports whether the tokens of all issuers can be judged.
func (v *Verifier) AllReady(ctx context.Context) error { return errors.Join(v.look(ctx)...) }

// look returns what is wrong with each issuer.
func (v *Verifier) look(ctx context.Context) []error {
	errs := make([]error, len(v.issuers))
	var all sync.WaitGroup
	for n, i := range v.issuers {
		all.Go(func() { errs[n] = i.ready(ctx) })
	}
	all.Wait()
	return errs
}

// Authenticate returns the principal of the first token that is valid. Empty tokens are passed over. The error is
// the first token's: a *gateway.Error that says what to do, Unauthenticated where the token is at fault and
// Overloaded where its issuer cannot be asked, or there is none.
func (v *Verifier) Authenticate(ctx context.Context, tokens ...string) (gateway.Principal, error) {
	if len(v.issuers) == 0 {
		return gateway.Principal{}, noIssuer()
	}
	var first error
	for n, token := range tokens {
		if token == "" || slices.Contains(tokens[:n], token) {
			continue
		}
		p, err := v.authenticate(ctx, token)
		if err == nil {
			return p, nil
		}
		if first == nil {
			first = err
		}
	}
	if first == nil {
		first = noToken()
	}
	return gateway.Principal{}, first
}

func (v *Verifier) authenticate(ctx context.Context, token string) (gateway.Principal, error) {
	of := digest(sha256.Sum256([]byte(token)))
	if found, ok := v.known.get(of, time.Now()); ok && found.by.keys.current(ctx) == found.ring {
		return found.principal, nil
	}
	found, err := v.judge(ctx, token, of)
	if err != nil {
		return gateway.Principal{}, err
	}
	v.known.put(of, found, found.until, time.Now())
	return found.principal, nil
}

// judge sends a token to the issuer that it says it is of. One that only its issuer can read is shown to each that may
// be asked.
func (v *Verifier) judge(ctx context.Context, token string, of digest) (verdict, error) {
	name, isJWT := claimedIssuer(token)
	if !isJWT {
		return v.judgeOpaque(ctx, token, of)
	}
	for _, i := range v.issuers {
		if i.Issuer == name {
			return i.judgeJWT(ctx, token, of)
		}
	}
	return verdict{}, wrongIssuer(v.issuers)
}

func (v *Verifier) judgeOpaque(ctx context.Context, token string, of digest) (verdict, error) {
	var away error
	asked := false
	for _, i := range v.issuers {
		if i.questions == nil {
			continue
		}
		asked = true
		found, known, err := i.judgeOpaque(ctx, token, of)
		if known {
			return found, err
		}
		if away == nil {
			away = err
		}
	}
	switch {
	case !asked:
		return verdict{}, malformed(nil)
	case away != nil:
		return verdict{}, away
	default:
		return verdict{}, unknownToken()
	}
}
