package adapter

import (
	"context"
	"errors"
	"io"
	"net/http"
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/translate"
	"github.com/openova-io/llm-gateway/internal/wire"
)

// lingering is how long a backend may take to close a stream whose final event is here. One that does in time keeps
// its connection for the next request.
const lingering = time.Second

// How a stream ends.
const (
	endComplete = "complete"
	endBroken   = "broken"
	endLeft     = "left" // the client did not stay
)

// stream relays an event stream. A broken one ends with an error in the client's dialect, never with the event that
// completes an answer.
func (x *exchange) stream(ctx context.Context, from *patient) {
	start := time.Now()
	x.client.Header().Set("X-Accel-Buffering", "no") // proxies between here and the client must not collect events
	x.client.WriteHeader(http.StatusOK)
	stop := x.client.keepAlive(x.cfg.PingInterval, x.format.Ping())
	watched := x.format.NewTap()
	left, err := x.pump(from, watched)
	stop()
	end := endComplete
	switch {
	case left != nil || x.in.Context().Err() != nil && err != nil:
		end = endLeft
	case watched.Finished():
		from.limit = lingering
		_, _ = from.Read(make([]byte, 1))
	case watched.Said().ErrorType != "" && watched.AtBoundary():
		end = endBroken // and the backend has told the client
		x.metrics.backendErrors.WithLabelValues("stream_error").Inc()
	default:
		end = endBroken
		x.breakOff(ctx, watched, err)
	}
	x.metrics.streams.WithLabelValues(x.path, end).Observe(time.Since(start).Seconds())
}

// pump relays until the stream ends: each read is one write. left is the error of a write: the client is gone. err is
// why reading ended; nil once the answer is complete, never at an end before.
func (x *exchange) pump(from io.Reader, watched wire.Tap) (left, err error) {
	var translation translate.Stream
	if x.reply != nil {
		translation = translate.NewStream(x.cfg.Backend, *x.reply)
	}
	buf := make([]byte, 32<<10)
	var told []byte
	for {
		n, err := from.Read(buf)
		p := buf[:n]
		if translation != nil && n > 0 {
			var wrong error
			if told, wrong = translation.Next(told[:0], p); wrong != nil {
				err = wrong
			}
			p = told
		}
		p = watched.Pass(p)
		if watched.Finished() {
			p, err = append(p, watched.Held()...), nil
		}
		if left := x.client.pass(p, watched.AtBoundary(), x.cfg.PingInterval); left != nil {
			return left, nil
		}
		if err != nil || watched.Finished() {
			return nil, err
		}
	}
}

// breakOff tells the client that its answer is not whole.
func (x *exchange) breakOff(ctx context.Context, watched wire.Tap, cause error) {
	failure, told := errors.AsType[*gateway.Error](cause) // by the backend
	if told {
		_ = x.failed("stream_error", failure)
	} else {
		failure = gateway.AsError(x.broken(ctx, "cut", cause))
	}
	if err := x.client.send(x.format.BreakOff(watched, failure, x.id)); err != nil {
		x.log.Debug("the client left before the end of its answer", "request", x.id, "error", err)
	}
}
