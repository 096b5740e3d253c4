package cli

import (
	"context"
	"fmt"
	"strconv"

	"github.com/openova-io/llm-gateway/internal/api"
)

func (s *session) showRequest(ctx context.Context, c *client, id string) error {
	var r api.Request
	if err := c.get(ctx, "/api/requests/"+id, &r); err != nil {
		return err
	}
	if s.json {
		return s.writeJSON(r)
	}
	w := s.table()
	row := rows(w)
	row("id", r.ID)
	row("status", status(&r))
	row("error", r.Error)
	row("user", fmt.Sprintf("%s (%s), tier %s", r.User, r.Subject, r.Tier))
	row("endpoint", r.Endpoint)
	row("model", routed(&r))
	row("backend", r.Backend)
	row("class", r.Class)
	row("session", r.Session)
	row("batch", r.Batch)
	row("admitted", s.moment(r.AdmittedAt))
	row("first byte", s.optional(r.FirstByteAt))
	row("ended", s.optional(r.EndedAt))
	row("stop reason", r.StopReason)
	row("tokens", fmt.Sprintf("%s in, %s out, %s read from and %s written to caches",
		grouped(r.Usage.InputTokens), grouped(r.Usage.OutputTokens), grouped(r.Usage.CacheReadTokens), grouped(r.Usage.CacheWriteTokens)))
	row("cost", fmt.Sprintf("%.4f", r.Usage.Cost))
	row("charged", fmt.Sprintf("requests %s, tokens %s, to the day that ends %s", grouped(r.Charged.Requests), grouped(r.Charged.Tokens), s.moment(r.Window.Reset)))
	row("request body", stored(r.RequestBody))
	row("response body", stored(r.ResponseBody))
	row("id at the backend", r.UpstreamID)
	for _, a := range r.Sent {
		row("sent", fmt.Sprintf("%s to %s as %s: %s", s.moment(a.At), a.Backend, a.Model, outcome(a)))
	}
	for _, read := range r.Reads {
		text := fmt.Sprintf("%s by %s: the %s", s.moment(read.At), read.Reader, read.Kind)
		if read.Reason != "" {
			text += ", " + strconv.Quote(read.Reason)
		}
		row("read", text)
	}
	return w.Flush()
}

// status is how a request is: "failed 529".
func status(r *api.Request) string {
	if r.HTTPStatus == 0 || r.Status == "completed" {
		return r.Status
	}
	return fmt.Sprintf("%s %d", r.Status, r.HTTPStatus)
}

// routed is the model that was asked for, and the one that was given, if it is another.
func routed(r *api.Request) string {
	if r.Model == "" || r.Model == r.ModelRequested {
		return r.ModelRequested
	}
	return r.ModelRequested + " -> " + r.Model
}

// stored says whether a body is kept.
func stored(b *api.StoredBody) string {
	if b == nil {
		return "not kept"
	}
	return bytesOf(b.Size) + ", SHA-256 as stored " + b.Digest
}

// outcome is what became of one sending.
func outcome(a api.Attempt) string {
	switch {
	case a.Status == 0 && a.Error == "":
		return "no answer yet"
	case a.Status == 0:
		return a.Error
	case a.Error != "":
		return fmt.Sprintf("%d, %s", a.Status, a.Error)
	}
	return strconv.Itoa(a.Status)
}
