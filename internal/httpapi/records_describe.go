package httpapi

import (
	"encoding/hex"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/api"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// describedRequest is a request as its readers are told of it.
func describedRequest(r *gateway.Record) api.Request {
	in := &r.Intent
	d := api.Request{
		ID: in.ID.String(), AdmittedAt: in.AdmittedAt,
		User: in.Principal.User, Subject: in.Principal.Subject, Tier: string(in.Principal.Tier),
		Endpoint: in.Endpoint.Path(), Dialect: string(in.Dialect), Stream: in.Stream, Session: in.Session,
		ModelRequested: in.ModelRequested, Model: r.Last.Model, Backend: r.Last.Backend, Class: in.Class,
		Status: gateway.Running, Charged: api.Charge(in.Charge), Window: api.Window(in.Window), RequestBody: stored(in.Body),
	}
	if in.Item.Batch != uuid.Nil {
		d.Batch = gateway.PublicBatchID(in.Endpoint.Dialect(), in.Item.Batch)
	}
	out := r.Outcome
	if out == nil {
		return d
	}
	d.Status, d.HTTPStatus, d.Error, d.StopReason, d.UpstreamID = string(out.Status), out.HTTPStatus, out.Error, out.StopReason, out.UpstreamID
	d.FirstByteAt, d.EndedAt, d.Attempts, d.ResponseBody = optional(out.FirstByteAt), optional(out.EndedAt), out.Attempts, stored(out.Body)
	d.Usage = api.Usage{
		InputTokens: out.Usage.Input, OutputTokens: out.Usage.Output, CacheReadTokens: out.Usage.CacheRead, CacheWriteTokens: out.Usage.CacheWrite,
		Cost: out.Cost.Units(),
	}
	return d
}

// stored tells of a body that is kept.
func stored(b gateway.Body) *api.StoredBody {
	if b.Digest == ([32]byte{}) {
		return nil
	}
	return &api.StoredBody{Size: b.Size, Digest: hex.EncodeToString(b.Digest[:])}
}

// sent are the sendings of a request. What the last of a running one was answered is not known, and what is on record
// beyond the outcome's attempts was never sent.
func sent(r *gateway.Record, after []gateway.Attempt) []api.Attempt {
	list := []api.Attempt{{N: 1, At: r.Intent.AdmittedAt, Backend: r.Intent.Target.Backend, Model: r.Intent.Target.Model}}
	for _, a := range after {
		if r.Outcome != nil && a.N > r.Outcome.Attempts {
			break
		}
		if before := &list[len(list)-1]; before.N == a.N-1 {
			before.Status, before.Error = a.Status, a.Reason
		}
		list = append(list, api.Attempt{N: a.N, At: a.At, Backend: a.Target.Backend, Model: a.Target.Model})
	}
	if r.Outcome == nil {
		return list
	}
	if r.Outcome.Attempts == 0 {
		return nil
	}
	if last := &list[len(list)-1]; last.N == r.Outcome.Attempts {
		last.Status, last.Error = r.Outcome.HTTPStatus, r.Outcome.Error
	}
	return list
}

func describedReads(reads []gateway.Read) []api.Read {
	list := make([]api.Read, len(reads))
	for i, r := range reads {
		list[i] = api.Read{
			ID: r.ID, At: r.At, Reader: r.User, Subject: r.Subject, Login: r.Login, RequestID: r.Request.String(), Kind: r.Kind,
			Owner: r.OwnerName, OwnerSubject: r.Owner, Reason: r.Reason,
		}
	}
	return list
}
