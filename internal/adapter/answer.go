package adapter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/backend"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/translate"
	"github.com/openova-io/llm-gateway/internal/wire"
)

// maxAnswer bounds an answer that is not streamed and so is held in memory as a whole.
const maxAnswer = 64 << 20

// errIdle is why a call is cancelled whose backend has fallen silent.
var errIdle = errors.New("the backend fell silent")

// answer sends the request and gives the client what comes back. The error is for the caller to tell the client; it
// is only returned while nothing has been written.
func (x *exchange) answer(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	res, err := x.send(ctx)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	from := &patient{Reader: res.Body, limit: x.cfg.IdleTimeout, timer: time.AfterFunc(x.cfg.IdleTimeout, func() { cancel(errIdle) })}
	defer from.timer.Stop()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return x.refusal(ctx, res, from)
	}
	streamed := strings.HasPrefix(res.Header.Get("Content-Type"), "text/event-stream")
	if x.reply != nil && streamed != x.reply.Stream {
		return x.broken(ctx, "malformed", fmt.Errorf("the answer is of type %q", res.Header.Get("Content-Type")))
	}
	if streamed {
		x.head(res.Header)
		x.stream(ctx, from)
		return nil
	}
	return x.whole(ctx, res, from)
}

// send sends the request with the backend's credential.
func (x *exchange) send(ctx context.Context) (*http.Response, error) {
	if x.credential != nil {
		token, err := x.credential.read()
		if err != nil {
			return nil, x.failed("credential", &gateway.Error{Code: gateway.Overloaded, Cause: err, Message: "The adapter has no credential for its backend. Nothing was sent. Tell its operator."})
		}
		x.out.Caller = http.Header{"Authorization": {"Bearer " + token}}
	}
	x.body.Hold() // for the backend
	res, err := x.backend.Send(ctx, x.out)
	if err == nil {
		return res, nil
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() {
		return nil, x.failed("timeout", &gateway.Error{Code: gateway.BackendTimeout, Cause: err, Message: "The backend did not answer in time. Try again, or ask for a shorter answer."})
	}
	return nil, x.failed("unreachable", &gateway.Error{Code: gateway.BackendFailed, Cause: err, Message: "The backend cannot be reached. Try again in a moment; if it stays, tell the adapter's operator."})
}

// head copies the backend's header to the answer, but for the limits of the operator's account. Of an answer in the
// other dialect, only what clients of both understand.
func (x *exchange) head(from http.Header) {
	to := x.client.Header()
	if x.reply == nil {
		backend.CopyResponseHeader(to, from)
		maps.DeleteFunc(to, func(name string, _ []string) bool {
			return strings.HasPrefix(name, "Anthropic-Ratelimit-") || strings.HasPrefix(name, "X-Ratelimit-")
		})
		return
	}
	for _, name := range [...]string{"Content-Type", "Retry-After", "Retry-After-Ms", "X-Should-Retry"} {
		if values := from[name]; values != nil {
			to[name] = values
		}
	}
}

// whole gives the client an answer that is not streamed.
func (x *exchange) whole(ctx context.Context, res *http.Response, from io.Reader) error {
	body, err := readAll(from)
	if err != nil {
		return x.broken(ctx, "cut", err)
	}
	if x.reply != nil {
		if body, err = translate.Whole(x.cfg.Backend, body, *x.reply); err != nil {
			return x.broken(ctx, "malformed", err)
		}
	}
	x.head(res.Header)
	x.give(res.StatusCode, body)
	return nil
}

// refusal gives the client an error of the backend, as it is or translated. That the backend refuses the adapter's
// credential is none of the client's: it would think that its own is meant.
func (x *exchange) refusal(ctx context.Context, res *http.Response, from io.Reader) error {
	body, err := readAll(from)
	switch {
	case err != nil:
		return x.broken(ctx, "cut", err)
	case res.StatusCode == http.StatusBadRequest && x.backend.Learn(x.out, body):
		return x.answer(ctx) // without what it refuses; it learns nothing twice of the same call
	case res.StatusCode == http.StatusUnauthorized:
		return x.failed("credential", &gateway.Error{
			Code: gateway.BackendFailed, NoRetry: true, Cause: errors.New("the backend answered 401"),
			Message: "The backend refused the adapter's own credential; yours is fine. Tell the adapter's operator.",
		})
	}
	x.metrics.backendErrors.WithLabelValues(refusalReason(res.StatusCode)).Inc()
	x.head(res.Header)
	if x.reply != nil {
		body = translate.Error(x.cfg.Backend, res.StatusCode, body, x.id)
		x.client.Header().Set("Content-Type", "application/json")
	}
	x.give(res.StatusCode, body)
	return nil
}

// refusalReason keeps a label's values few.
func refusalReason(status int) string {
	switch {
	case status == http.StatusTooManyRequests:
		return "rate_limited"
	case status == http.StatusServiceUnavailable || status == anthropic.StatusOverloaded:
		return "overloaded"
	case status >= 500:
		return "server_error"
	}
	return "rejected"
}

// give writes an answer that is here as a whole.
func (x *exchange) give(status int, body []byte) {
	x.client.Header().Set("Content-Length", strconv.Itoa(len(body)))
	x.client.WriteHeader(status)
	if err := x.client.send(body); err != nil {
		x.log.Debug("the client left while it was given the answer", "request", x.id, "error", err)
	}
}

// failed counts an error that is the backend's, unless the client has left, which looks the same from here.
func (x *exchange) failed(reason string, e *gateway.Error) error {
	if x.in.Context().Err() == nil {
		x.metrics.backendErrors.WithLabelValues(reason).Inc()
		x.log.Warn("a request failed", "request", x.id, "reason", reason, "error", e)
	}
	return e
}

// broken is an answer that ended too early, or is none.
func (x *exchange) broken(ctx context.Context, reason string, cause error) error {
	if errors.Is(context.Cause(ctx), errIdle) {
		return x.failed("idle", &gateway.Error{
			Code: gateway.BackendTimeout, Cause: cause,
			Message: fmt.Sprintf("The backend sent nothing for %s, so its answer was given up. Try again.", x.cfg.IdleTimeout),
		})
	}
	return x.failed(reason, &gateway.Error{
		Code: gateway.BackendFailed, Cause: cause,
		Message: "The backend broke off its answer, or gave one that cannot be read. What you have is not the whole answer. Try again.",
	})
}

// fail answers with an error in the dialect of the request.
func (a *Adapter) fail(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		w.WriteHeader(statusLeft) // nobody reads it; the metrics tell it from an answer
		return
	}
	e := gateway.AsError(err)
	h := w.Header()
	if e.Code == gateway.Internal {
		a.log.Error("a request failed", "request", h.Get("Request-Id"), "error", e)
	}
	if e.NoRetry {
		h.Set("X-Should-Retry", "false")
	}
	if e.Code == gateway.Unauthenticated {
		h.Set("WWW-Authenticate", `Bearer realm="anthropic-adapter"`)
	}
	status, body := wire.ErrorBody(dialect(r), e, h.Get("Request-Id"))
	h.Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

// patient gives a backend up that says nothing for too long. The time that a client takes to read does not count.
type patient struct {
	io.Reader

	limit time.Duration
	timer *time.Timer
}

// Read reads what there is.
func (p *patient) Read(b []byte) (int, error) {
	p.timer.Reset(p.limit)
	defer p.timer.Stop()
	return p.Reader.Read(b)
}

func readAll(from io.Reader) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(from, maxAnswer+1))
	if err == nil && len(body) > maxAnswer {
		err = fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	return body, err
}
