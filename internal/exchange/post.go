package exchange

import (
	"context"
	"net/http"
	"slices"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/routing"
)

// Posting is a request that may be sent, and that the caller sends by another way than Serve: in a batch that the
// backend has of its own. [Service.Answer] takes it up again when its answer is here.
type Posting struct {
	Endpoint gateway.Endpoint // at the backend
	Body     []byte           // in the backend's dialect
	Begun    gateway.Begun    // what is on record of it
}

// Post reserves a request's quota and puts it on record as sent to the target. The error is as that of Serve; then the
// request may not be sent.
func (s *Service) Post(ctx context.Context, req *Request, target gateway.Target, client Client) (Posting, error) {
	x := s.exchange(req, client)
	plan, err := x.postTo(target)
	if err != nil {
		return Posting{}, err
	}
	if err := x.enter(ctx, plan.Limits); err != nil {
		return Posting{}, err
	}
	x.sent++
	call := x.outgoing()
	defer call.Body.Release()
	return Posting{
		Endpoint: x.call.endpoint, Body: slices.Clone(call.Body.Bytes()),
		Begun: gateway.Begun{ID: x.intent.ID, At: x.intent.AdmittedAt, Sent: x.sent},
	}, nil
}

// Answer serves a request that was posted to the target, and of which req.Begun says what is on record, with the answer
// that came to it. The error is as that of Serve.
func (s *Service) Answer(ctx context.Context, req *Request, target gateway.Target, res *http.Response, client Client) error {
	x := s.exchange(req, client)
	if _, err := x.postTo(target); err != nil {
		return err
	}
	x.describe()
	x.trip = &routing.Trip{}
	x.tape = s.Compressor.Tape()
	watch := newWatch(client, x.format.Ping, s.Options, func() {})
	defer watch.stop()
	failed, err := x.whole(ctx, ctx, res, watch)
	if failed == nil {
		return err
	}
	return x.report(ctx, failed)
}

// postTo makes the call for the target.
func (x *exchange) postTo(target gateway.Target) (gateway.Plan, error) {
	plan, err := x.read()
	if err != nil {
		return plan, err
	}
	return plan, x.prepare(target)
}
