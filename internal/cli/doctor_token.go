package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// checkToken looks at the caller's token, and asks the gateway whom it sees in it.
func (e *examination) checkToken(ctx context.Context) check {
	token, err := e.credential(e.address)
	if err != nil {
		return noToken(err)
	}
	e.token = token
	text, err := token.read(ctx)
	if err != nil {
		return noToken(err)
	}
	claims, jwt := readClaims(text)
	a, c := e.ask(ctx, "/api/doctor")
	if c != nil {
		return *c
	}
	if a.code != http.StatusOK {
		return e.refusedToken(text, claims, a)
	}
	if err := json.Unmarshal(a.body, &e.who); err != nil {
		return fault("wrong_url", "what the gateway says of the token cannot be read: "+err.Error(), "Is the gateway of another version? Get its llmgw")
	}
	found := fmt.Sprintf("of %s, tier %s (from %s)", e.who.User, e.who.Tier, token.source)
	left := claims.expires.Sub(e.there())
	switch {
	case !jwt || claims.expires.IsZero():
		return good("%s", found)
	case token.source != loginSource && left < 5*time.Minute:
		return warning("token_ends", fmt.Sprintf("%s; it ends in %s", found, period(left)), "Get a new one soon; llmgw login keeps one fresh")
	}
	return good("%s, good for %s", found, period(left))
}

// noToken is the check of a caller who has none.
func noToken(err error) check {
	return fault("no_token", err.Error(), "llmgw login gets a token, and keeps it fresh")
}

// there is the time by the gateway's clock.
func (e *examination) there() time.Time { return e.Now().Add(-e.skew) }

// claims are what a token says of itself. They are not verified here, which is for the gateway to do.
type claims struct {
	issuer                  string
	audience                []string
	expires, notBefore, iat time.Time
}

// readClaims reads a JWT; false if the token is none, which may be right.
func readClaims(token string) (c claims, ok bool) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, false
	}
	text, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil || !gjson.ValidBytes(text) {
		return c, false
	}
	at := func(name string) time.Time {
		if v := gjson.GetBytes(text, name); v.Exists() {
			return time.Unix(v.Int(), 0)
		}
		return time.Time{}
	}
	c = claims{issuer: gjson.GetBytes(text, "iss").String(), expires: at("exp"), notBefore: at("nbf"), iat: at("iat")}
	for _, a := range gjson.GetBytes(text, "aud").Array() { // one text is a list of one
		c.audience = append(c.audience, a.String())
	}
	return c, true
}

// refusedToken says why the gateway does not take a token: what the token says of itself explains most refusals, and the
// gateway's words the others.
func (e *examination) refusedToken(token string, c claims, a answer) check {
	now, said := e.there(), a.said()
	renew := "Get a new token, and set it in place of that from " + e.token.source + "; llmgw login keeps one fresh"
	switch {
	case a.code == http.StatusForbidden:
		return fault("unknown_tier", said, "Ask the operator of the gateway")
	case a.code != http.StatusUnauthorized:
		return fault("gateway_down", fmt.Sprintf("the gateway cannot tell whose token it is: %s (%s)", said, a.status), "Try again in a minute; if it stays, tell its operator")
	case strings.HasPrefix(token, "sk-ant-"), strings.HasPrefix(token, "sk-"):
		return fault("foreign_key", "what "+e.token.source+" holds is a key of another service, not a token of this gateway's users", renew)
	case strings.ContainsAny(token, " \t\r\n"):
		return fault("malformed_token", "the token from "+e.token.source+` has white space in it. Is "Bearer" before it, or a line break in it?`, "Give the token alone")
	case !c.expires.IsZero() && !now.Before(c.expires):
		return fault("token_expired", fmt.Sprintf("the token from %s expired at %s, %s ago", e.token.source, e.moment(c.expires), period(now.Sub(c.expires))), renew)
	case now.Before(c.notBefore):
		return fault("token_not_yet_valid", fmt.Sprintf("the token from %s is good from %s only, in %s", e.token.source, e.moment(c.notBefore), period(c.notBefore.Sub(now))),
			"The clock of the identity provider is ahead of the gateway's. Tell their operators")
	case c.issuer != "" && len(e.resource.AuthorizationServers) > 0 && !slices.Contains(e.resource.AuthorizationServers, c.issuer):
		return fault("wrong_issuer", fmt.Sprintf("the token from %s is of %s, and the gateway takes those of %s", e.token.source, c.issuer, strings.Join(e.resource.AuthorizationServers, ", ")), renew)
	case strings.Contains(said, "not meant for this gateway"):
		return fault("wrong_audience", fmt.Sprintf("the token from %s is for %s. %s", e.token.source, audiences(c.audience), said),
			"Log in as the client that the gateway is meant for: llmgw login. If that is what you did, the identity provider needs an audience mapper for it: tell its operator")
	}
	return fault("token_refused", said, renew)
}

// audiences are those a token is for, in quotes.
func audiences(names []string) string {
	if len(names) == 0 {
		return "no audience"
	}
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return "the audience " + strings.Join(quoted, ", ")
}
