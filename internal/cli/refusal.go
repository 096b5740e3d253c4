package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// refusal is an answer of the gateway that is an error.
type refusal struct {
	status     int
	message    string // the gateway's own words, which say what to do
	advice     string // what this program has for it
	requestID  string
	retryAfter time.Duration
	never      bool // the gateway says that trying again is of no use
}

func (e *refusal) Error() string {
	text := strings.TrimSuffix(e.message, ".")
	if e.requestID != "" {
		text += " (request " + e.requestID + ")"
	}
	if e.advice != "" {
		text += ". " + e.advice
	}
	return text
}

// advise is what to do about a status.
func advise(status int, path string) string {
	switch {
	case status == http.StatusUnauthorized:
		return "Get a new token, and set LLMGW_TOKEN or give --token-file FILE; or log in: llmgw login"
	case status == http.StatusNotFound && strings.Contains(path, "/batches"):
		return "llmgw batch list shows your batches"
	case status == http.StatusNotFound && strings.HasPrefix(path, "/api/requests/"):
		return "llmgw requests list shows those that you may see"
	}
	return ""
}

func (e *refusal) transient() bool {
	switch e.status {
	case http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		return !e.never
	}
	return e.status >= 500 && !e.never
}

// unsure reports whether the gateway may have done what it was asked, although the call failed.
func unsure(err error) bool {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e.status >= 500 // or something between here and the gateway gave up
	}
	_, ok := errors.AsType[*unreachable](err)
	return ok || errors.Is(err, context.Canceled)
}

// refused reads an error of either dialect, and closes the answer.
func refused(res *http.Response) error {
	defer res.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(res.Body, 1<<20)) // a part is worth showing, too
	e := &refusal{
		status: res.StatusCode, message: gjson.GetBytes(body, "error.message").String(),
		advice: advise(res.StatusCode, res.Request.URL.Path), requestID: res.Header.Get("Request-Id"), never: res.Header.Get("X-Should-Retry") == "false",
	}
	if seconds, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil {
		e.retryAfter = time.Duration(seconds) * time.Second
	}
	if e.requestID == "" {
		e.requestID = res.Header.Get("X-Request-Id")
	}
	if e.message == "" { // something on the way answered, or another service
		e.message = foreign(res, body)
	}
	return e
}

// unreachable is a call that got no answer: whether it was carried out is not known.
type unreachable struct {
	base  string
	cause error
}

func (e *unreachable) Error() string { return fmt.Sprintf("%s does not answer: %v", e.base, e.cause) }

func (e *unreachable) Unwrap() error { return e.cause }
