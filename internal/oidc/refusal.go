package oidc

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// anew is what most refusals end with.
const anew = "Get a new one and set it as ANTHROPIC_AUTH_TOKEN, or as OPENAI_API_KEY in an OpenAI client."

// errNoIssuer means that the configuration names no identity provider.
var errNoIssuer = errors.New("oidc.issuer is not set: without an identity provider nobody is served")

// refuse says why a token is not accepted, to the person who holds it.
func refuse(cause error, format string, args ...any) error {
	return &gateway.Error{Code: gateway.Unauthenticated, Message: fmt.Sprintf(format, args...), NoRetry: true, Cause: cause}
}

// unavailable says that a token cannot be judged now.
func unavailable(cause error) error {
	return &gateway.Error{
		Code: gateway.Overloaded, RetryAfter: leaveAlone, Cause: cause,
		Message: "The identity provider cannot be reached, so your token cannot be checked. Try again in a few seconds.",
	}
}

func noIssuer() error {
	return &gateway.Error{
		Code: gateway.Overloaded, NoRetry: true, Cause: errNoIssuer,
		Message: "This gateway has no identity provider, so it serves nobody. Its operator has to set oidc.issuer.",
	}
}

func noToken() error {
	return refuse(nil, `No access token was sent. Set ANTHROPIC_AUTH_TOKEN (Anthropic clients) or OPENAI_API_KEY (OpenAI clients) to your subscription token, or send it as "Authorization: Bearer".`)
}

func malformed(cause error) error {
	return refuse(cause, "Your access token is malformed: it is not the whole of a signed JWT. Copy all of it, or get a new one and set it as ANTHROPIC_AUTH_TOKEN, or as OPENAI_API_KEY in an OpenAI client.")
}

func wrongIssuer(known []*issuer) error {
	names := make([]string, len(known))
	for n, i := range known {
		names[n] = i.Issuer
	}
	return refuse(nil, "Your access token was issued by an identity provider that this gateway does not know. Get one from %s.", strings.Join(names, " or "))
}

func wrongAlgorithm(cause error, i *issuer) error {
	return refuse(cause, "Your access token is not signed with %s, and this gateway takes nothing else from %s. "+anew, strings.Join(i.Algorithms, " or "), i.Issuer)
}

func unknownKey(i *issuer) error {
	return refuse(nil, "Your access token is signed with a key that %s does not publish, or no longer. "+anew, i.Issuer)
}

func wrongSignature(cause error, i *issuer) error {
	return refuse(cause, "Your access token's signature is wrong: the token was changed, or it is not of %s. "+anew, i.Issuer)
}

func wrongAudience(cause error, i *issuer) error {
	return refuse(cause, "Your access token is not meant for this gateway. Get one with the audience %q.", i.Audience)
}

func expired(cause error, at time.Time) error {
	return refuse(cause, "Your access token expired at %s. "+anew, clock(at))
}

func notYetValid(cause error, from, now time.Time) error {
	return refuse(cause, "Your access token is valid from %s on, and this gateway's clock says %s. Wait until then; if it should be valid by now, "+
		"tell the operators of the gateway and of the identity provider that their clocks differ.", clock(from), clock(now))
}

func issuedInTheFuture(cause error, at, now time.Time) error {
	return refuse(cause, "Your access token was issued at %s, and this gateway's clock says %s. "+
		"Tell the operators of the gateway and of the identity provider that their clocks differ.", clock(at), clock(now))
}

func unreadable(cause error) error {
	return refuse(cause, "Your access token's claims cannot be read. "+anew)
}

func noSubject() error {
	return refuse(nil, "Your access token names no subject. Ask the operator of your identity provider to issue tokens with a sub claim.")
}

func noExpiry() error {
	return refuse(nil, "Your access token names no expiry. Ask the operator of your identity provider to issue tokens with an exp claim.")
}

func reservedSubject(prefix string) error {
	return refuse(nil, "Your account's subject begins with %q, which stands for the accounts of another identity provider. Ask the operator of yours for another subject.", prefix)
}

// revoked is said of a token that looks good, and that its issuer takes back.
func revoked() error {
	return refuse(nil, "Your access token was revoked, or its session has ended. Log in again. "+anew)
}

// unknownToken is said of a token that nobody but its issuer can read.
func unknownToken() error {
	return refuse(nil, "Your access token is not known to the identity provider, or no longer: it expired or was revoked, or is not the whole token. "+anew)
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
