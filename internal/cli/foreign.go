package cli

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"regexp"
	"strings"
)

// foreign says what it was that answered in the gateway's place.
func foreign(res *http.Response, body []byte) string {
	host := res.Request.URL.Host
	switch {
	case res.StatusCode/100 == 3 && res.Header.Get("Location") != "":
		return fmt.Sprintf("%s redirects to %s. Give its address as --url, if that is the gateway; if it is a login page, it stands between here and the gateway",
			host, withoutQuery(res.Header.Get("Location")))
	case res.StatusCode < 500 && isPage(res, body):
		return fmt.Sprintf("%s answered with a page for people%s (%s), not with JSON. A login page or a portal stands between here and the gateway, or this is no gateway", host, title(body), res.Status)
	case bytes.Contains(body, []byte("HTTP request to an HTTPS server")):
		return host + " speaks TLS. Give its address with https://"
	}
	return fmt.Sprintf("%s answered %s. Is it a gateway", host, res.Status)
}

// isPage reports whether an answer is HTML.
func isPage(res *http.Response, body []byte) bool {
	return strings.HasPrefix(res.Header.Get("Content-Type"), "text/html") || bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// title is that of a page, in quotes: ` "Sign in"`.
func title(page []byte) string {
	found := regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`).FindSubmatch(page)
	if found == nil {
		return ""
	}
	return fmt.Sprintf(" %q", strings.Join(strings.Fields(html.UnescapeString(string(found[1]))), " "))
}

// withoutQuery is an address without what login pages put behind it, which may be long, and secret.
func withoutQuery(address string) string {
	short, _, _ := strings.Cut(address, "?")
	return short
}
