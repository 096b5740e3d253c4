package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// checkAddress looks at the address itself.
func (e *examination) checkAddress(context.Context) check {
	a, err := e.session.address()
	e.address = a
	if err != nil {
		advice := "Set LLMGW_URL, or give --url https://…"
		if a.given != "" {
			advice = "Correct " + a.source
		}
		return fault("no_address", err.Error(), advice)
	}
	if strings.HasSuffix(strings.TrimRight(a.given, "/"), "/v1/v1") {
		return fault("v1_twice", fmt.Sprintf("%s has /v1 twice (from %s)", a.given, a.source), fmt.Sprintf("Set it to %s, or for clients of OpenAI's to %[1]s/v1", a.base))
	}
	return good("%s (from %s)", a.base, a.source)
}

// warnBefore is how long before its end a certificate is worth a warning.
const warnBefore = 14 * 24 * time.Hour

// checkGateway looks whether a gateway answers at the address, and nothing else.
func (e *examination) checkGateway(ctx context.Context) check {
	ctx, cancel := context.WithTimeout(ctx, doctorTimeout)
	defer cancel()
	begin := e.Now()
	res, err := e.get(ctx, "/.well-known/oauth-protected-resource", "")
	if err != nil {
		return e.noConnection(err)
	}
	took := e.Now().Sub(begin)
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return fault("broken_answer", "the answer broke off: "+err.Error(), "Try again; if it stays, something between here and the gateway cuts connections")
	}
	if c, ok := e.notAGateway(res, body); !ok {
		return c
	}
	if err := json.Unmarshal(body, &e.resource); err != nil {
		return fault("wrong_url", "the answer cannot be read: "+err.Error(), "Is the gateway of another version? Get its llmgw")
	}
	e.measureClock(res, begin.Add(took/2))
	found := fmt.Sprintf("answers after %d ms", took.Milliseconds())
	if res.TLS != nil && len(res.TLS.PeerCertificates) > 0 {
		until := res.TLS.PeerCertificates[0].NotAfter
		found += ", with a certificate until " + e.moment(until)
		if until.Sub(e.Now()) < warnBefore {
			return warning("certificate_ends", found, "Tell the operator of the gateway to renew it")
		}
	}
	if own, err := url.Parse(e.resource.Resource); err == nil && own.Scheme+"://"+own.Host != origin(e.address.base) {
		return warning("own_address", found+"; it takes its own address for "+e.resource.Resource, "Tell its operator: the proxy before it has to set X-Forwarded-Proto and X-Forwarded-Host, so that the links in its answers are right")
	}
	return good("%s", found)
}

// origin is an address without its path.
func origin(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	return u.Scheme + "://" + u.Host
}

// notAGateway says what answered instead.
func (e *examination) notAGateway(res *http.Response, body []byte) (c check, ok bool) {
	if c, ok := between(res, body); !ok {
		return c, false
	}
	switch source := "Correct the address, which is from " + e.address.source; {
	case res.StatusCode == http.StatusOK && gjson.GetBytes(body, "llmgw_client_id").Exists():
		return check{}, true
	case strings.Contains(string(body), "HTTP request to an HTTPS server"):
		return fault("no_tls", "it speaks TLS, and the address begins with http://", "Give the address with https://"), false
	case res.StatusCode == http.StatusNotFound && res.Header.Get("Request-Id") != "" && origin(e.address.base) != e.address.base:
		return fault("wrong_url", "a gateway answers, but not below this path", "Set the address to "+origin(e.address.base)), false
	case res.StatusCode >= http.StatusInternalServerError:
		return fault("gateway_down", "something before the gateway answers "+res.Status, "The gateway is down, or what is before it cannot reach it. Tell its operator"), false
	default:
		return fault("wrong_url", fmt.Sprintf("%s answers %s, and is no gateway", res.Request.URL.Host, res.Status), source), false
	}
}

// between names what stands between here and the gateway.
func between(res *http.Response, body []byte) (c check, ok bool) {
	const advice = "Log in where it wants that (a VPN, a portal), or have the gateway's address let through without it: programs cannot log in at a page"
	to := res.Header.Get("Location")
	switch {
	case res.StatusCode/100 == 3 && to != "" && sameHost(res.Request.URL, to):
		return fault("redirect", "it redirects to "+withoutQuery(to), "Give that address, without the path: clients lose their token on a redirect"), false
	case res.StatusCode/100 == 3:
		return fault("login_page", fmt.Sprintf("it redirects to %s: a login page or a portal is between here and the gateway", cmp.Or(withoutQuery(to), "nowhere")), advice), false
	case res.StatusCode < http.StatusInternalServerError && isPage(res, body):
		return fault("login_page", fmt.Sprintf("a page for people answers%s: a login page or a portal is between here and the gateway, or this is no gateway", title(body)), advice), false
	case res.StatusCode == http.StatusProxyAuthRequired:
		return fault("proxy", "a proxy wants a login of its own", "Put it into HTTPS_PROXY: http://name:password@proxy:port"), false
	}
	return check{}, true
}

func sameHost(from *url.URL, location string) bool {
	to, err := from.Parse(location)
	return err == nil && strings.TrimPrefix(to.Hostname(), "www.") == strings.TrimPrefix(from.Hostname(), "www.") && to.Path == from.Path
}

// measureClock compares the clock here, at the middle of a call, with that of who answered it.
func (e *examination) measureClock(res *http.Response, middle time.Time) {
	if date, err := http.ParseTime(res.Header.Get("Date")); err == nil {
		e.skew = middle.Sub(date.Add(500 * time.Millisecond)) // a date has whole seconds
	}
}

// maxSkew is how far clocks may be apart: identity providers and gateways allow as much.
const maxSkew = 30 * time.Second

// checkClock tells how far the clock here is from the gateway's.
func (e *examination) checkClock(context.Context) check {
	where := "ahead of"
	if e.skew < 0 {
		where = "behind"
	}
	if e.skew.Abs() > maxSkew {
		return fault("clock_skew", fmt.Sprintf("the clock of this machine is %s %s the gateway's", period(e.skew.Abs()), where),
			"Set it by a time server. If it is right, tell the operator: the gateway's clock, or that of a proxy before it, is wrong")
	}
	return good("as the gateway's, within %s", period(max(e.skew.Abs(), time.Second)))
}
