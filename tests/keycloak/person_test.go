package keycloak

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"
)

// person is somebody with a browser, who fills in Keycloak's forms.
type person struct {
	browser http.Client
	fills   map[string]string // fields, by their names, that they know what to put into
	presses string            // the button, by its name, where there is a choice
}

func newPerson(t *testing.T, name, code, presses string) *person {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &person{
		browser: http.Client{Jar: loopback{jar}}, presses: presses,
		fills: map[string]string{"username": name, "password": name, "device_user_code": code},
	}
}

// loopback keeps cookies as browsers do for this machine's own addresses, which they trust without TLS.
type loopback struct{ http.CookieJar }

// SetCookies keeps them.
func (l loopback) SetCookies(at *url.URL, cookies []*http.Cookie) {
	for _, cookie := range cookies {
		cookie.Secure = false
	}
	l.CookieJar.SetCookies(at, cookies)
}

// visit opens a page and goes on from form to form until there is none. It returns the last page.
func (p *person) visit(t *testing.T, address string) string {
	t.Helper()
	page, at := p.send(t, http.MethodGet, address, nil)
	for range 5 {
		form := regexp.MustCompile(`(?s)<form.*?</form>`).FindString(page)
		if form == "" {
			return page
		}
		action, err := at.Parse(attribute(form, "action"))
		if err != nil {
			t.Fatal(err)
		}
		page, at = p.send(t, http.MethodPost, action.String(), p.fill(form))
	}
	t.Fatalf("the forms do not end; the last page is\n%s", page)
	return ""
}

// fill is what they send of a form.
func (p *person) fill(form string) url.Values {
	values := url.Values{}
	for _, field := range regexp.MustCompile(`(?s)<(input|button)\b.*?>`).FindAllString(form, -1) {
		name, value := attribute(field, "name"), attribute(field, "value")
		known, knows := p.fills[name]
		switch kind := attribute(field, "type"); {
		case name == "":
		case knows:
			values.Set(name, known)
		case kind == "hidden", kind == "submit" && (name == p.presses || name == "login"):
			values.Set(name, value)
		}
	}
	return values
}

// send opens a page, whose address may be another than was asked for.
func (p *person) send(t *testing.T, method, address string, form url.Values) (page string, at *url.URL) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html") // without it Keycloak takes the form of the code for a device's request
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	res, err := p.browser.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s\n%s", res.Request.URL, res.Status, text)
	}
	return string(text), res.Request.URL
}

// attribute is the value of an attribute of the first tag of some HTML.
func attribute(tag, name string) string {
	tag, _, _ = strings.Cut(tag, ">")
	match := regexp.MustCompile(`\s` + name + `="([^"]*)"`).FindStringSubmatch(tag)
	if match == nil {
		return ""
	}
	return html.UnescapeString(match[1])
}
