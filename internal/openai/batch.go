package openai

import "github.com/openova-io/llm-gateway/internal/gateway"

// window is the one time a batch may ask to be done in.
const window = "24h"

// batch is a batch as the API shows it. Times are seconds since 1970, null until it is so.
type batch struct {
	ID               string            `json:"id"`
	Object           string            `json:"object"`   // "batch"
	Endpoint         string            `json:"endpoint"` // "/v1/chat/completions"
	Errors           *batchErrors      `json:"errors"`   // of its input
	InputFileID      string            `json:"input_file_id"`
	CompletionWindow string            `json:"completion_window"`
	Status           string            `json:"status"`
	OutputFileID     *string           `json:"output_file_id"`
	ErrorFileID      *string           `json:"error_file_id"`
	CreatedAt        *int64            `json:"created_at"`
	InProgressAt     *int64            `json:"in_progress_at"`
	ExpiresAt        *int64            `json:"expires_at"`
	FinalizingAt     *int64            `json:"finalizing_at"`
	CompletedAt      *int64            `json:"completed_at"`
	FailedAt         *int64            `json:"failed_at"`
	ExpiredAt        *int64            `json:"expired_at"`
	CancellingAt     *int64            `json:"cancelling_at"`
	CancelledAt      *int64            `json:"cancelled_at"`
	RequestCounts    requestCounts     `json:"request_counts"`
	Usage            *batchUsage       `json:"usage"` // once it has ended
	Metadata         map[string]string `json:"metadata"`
}

type batchErrors struct {
	Object string       `json:"object"` // "list"
	Data   []batchError `json:"data"`
}

type batchError struct {
	Code    string  `json:"code"`
	Message string  `json:"message"`
	Param   *string `json:"param"`
	Line    *int    `json:"line"`
}

type requestCounts struct {
	Total     int `json:"total"`
	Completed int `json:"completed"`
	Failed    int `json:"failed"`
}

// batchUsage has what the cache gave as part of the input. How much of the output was reasoning is not on record; the
// field has to be there all the same.
type batchUsage struct {
	InputTokens        int64 `json:"input_tokens"`
	InputTokensDetails struct {
		CachedTokens int64 `json:"cached_tokens"`
	} `json:"input_tokens_details"`
	OutputTokens        int64 `json:"output_tokens"`
	OutputTokensDetails struct {
		ReasoningTokens int64 `json:"reasoning_tokens"`
	} `json:"output_tokens_details"`
	TotalTokens int64 `json:"total_tokens"`
}

// Batch is the JSON of a batch.
func Batch(b *gateway.Batch) []byte { return marshal(newBatch(b)) }

// BatchList is the JSON of a page of batches.
func BatchList(batches []gateway.Batch, more bool) []byte {
	return marshal(newPage(batches, more, newBatch, func(b *batch) string { return b.ID }))
}

func newBatch(b *gateway.Batch) batch {
	w := batch{
		ID: b.PublicID(), Object: "batch", Endpoint: b.Endpoint.Path(), Errors: newErrors(b.InputErrors),
		InputFileID: gateway.PublicFileID(b.InputFile), CompletionWindow: window, Status: BatchStatus(b), Metadata: b.Metadata,
		OutputFileID: optional(gateway.PublicFileID(b.OutputFile)), ErrorFileID: optional(gateway.PublicFileID(b.ErrorFile)),
		CreatedAt: seconds(b.CreatedAt), InProgressAt: seconds(b.StartedAt), ExpiresAt: seconds(b.ExpiresAt),
		FinalizingAt: seconds(b.ClosingAt), CancellingAt: seconds(b.CancelRequestedAt),
		RequestCounts: requestCounts{b.Total, b.Counts.Succeeded, b.Counts.Errored},
	}
	if b.State != gateway.BatchEnded {
		return w
	}
	w.Usage = newUsage(b.Usage)
	switch ended := seconds(b.EndedAt); b.End {
	case gateway.BatchCompleted:
		w.CompletedAt = ended
	case gateway.BatchRefused:
		w.FailedAt = ended
	case gateway.BatchExpired:
		w.ExpiredAt = ended
	case gateway.BatchCanceled:
		w.CancelledAt = ended
	}
	return w
}

// BatchStatus is a batch's state in the words of the API: "in_progress".
func BatchStatus(b *gateway.Batch) string {
	switch {
	case b.State == gateway.BatchEnded:
		switch b.End {
		case gateway.BatchRefused:
			return "failed"
		case gateway.BatchExpired:
			return "expired"
		case gateway.BatchCanceled:
			return "cancelled"
		case gateway.BatchCompleted:
		}
		return "completed"
	case !b.CancelRequestedAt.IsZero():
		return "cancelling"
	case b.State == gateway.BatchRunning:
		return "in_progress"
	case b.State == gateway.BatchClosing:
		return "finalizing"
	}
	return "validating"
}

func newErrors(errs []gateway.InputError) *batchErrors {
	if len(errs) == 0 {
		return nil
	}
	list := &batchErrors{"list", make([]batchError, len(errs))}
	for i, e := range errs {
		list.Data[i] = batchError{e.Code, e.Message, optional(e.Param), optional(e.Line)}
	}
	return list
}

func newUsage(u gateway.Usage) *batchUsage {
	w := &batchUsage{InputTokens: u.Input + u.CacheRead + u.CacheWrite, OutputTokens: u.Output}
	w.InputTokensDetails.CachedTokens = u.CacheRead
	w.TotalTokens = w.InputTokens + w.OutputTokens
	return w
}
