package model

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"net/url"

	"github.com/tidwall/gjson"
)

// itemAnswer is what an item would have been answered had it come alone.
type itemAnswer struct {
	status    int
	requestID string
	body      []byte
}

// answerItem has an item answered by what answers single requests. An answer
// that a switch breaks is the provider's own failure: it broke before anybody
// was given it.
func (m *Model) answerItem(b *batch, it batchItem) itemAnswer {
	w := &captured{header: http.Header{}, status: http.StatusOK}
	x := &exchange{
		w: w, body: it.body,
		r:    &http.Request{Method: http.MethodPost, URL: &url.URL{Path: it.path}, Header: b.header},
		item: item{batch: b.id, customID: it.customID, fails: matches(b.switches.BatchFail, it.customID)},
	}
	end := m.recorder.begin(it.path)
	err := m.handle(x)
	end(outcomeOf(err))
	requestID := w.header.Get("request-id")
	if requestID == "" {
		requestID = w.header.Get("x-request-id")
	}
	if content := w.body.Bytes(); w.status != http.StatusOK || err == nil && gjson.ValidBytes(content) {
		return itemAnswer{w.status, requestID, content}
	}
	failed := http.StatusInternalServerError
	return itemAnswer{failed, requestID, x.dialect.envelope(x, failed, defaultMessage(failed))}
}

// captured is an answer that nobody receives.
type captured struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// Header is the answer's.
func (c *captured) Header() http.Header { return c.header }

// WriteHeader notes the status.
func (c *captured) WriteHeader(status int) { c.status = status }

// Write keeps the bytes.
func (c *captured) Write(p []byte) (int, error) { return c.body.Write(p) }

// shuffled are the numbers below n, none in its place, the same each time.
func shuffled(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := n - 1; i > 0; i-- {
		j := random.IntN(i)
		order[i], order[j] = order[j], order[i]
	}
	return order
}
