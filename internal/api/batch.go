// Package api is what the gateway's own endpoints, those of neither dialect, say and are told.
package api

import (
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Batch is a batch in the answers of GET /batches and GET /batches/{id}. Times are null until it is so.
type Batch struct {
	ID          string            `json:"id"`            // as in the endpoints of its dialect: "msgbatch_…", "batch_…"
	Dialect     string            `json:"dialect"`       // "anthropic", "openai"
	Endpoint    string            `json:"endpoint"`      // "/v1/messages", "/v1/chat/completions", …
	State       string            `json:"state"`         // "validating", "running", "closing", "ended"
	End         string            `json:"end,omitempty"` // "completed", "refused", "canceled", "expired"
	Open        bool              `json:"open"`          // items may still be added
	Waiting     *Waiting          `json:"waiting"`       // null while it waits for nothing
	Counts      Counts            `json:"counts"`
	Failures    map[string]int    `json:"failures"` // items that failed, by kind: "rate_limit_error": 3
	InputErrors []InputError      `json:"input_errors,omitempty"`
	Usage       Usage             `json:"usage"` // of all items, once it has ended
	Metadata    map[string]string `json:"metadata,omitempty"`
	WorkflowID  string            `json:"workflow_id"` // in the Temporal Web UI
	InputFile   string            `json:"input_file,omitempty"`

	CreatedAt         time.Time  `json:"created_at"`
	StartedAt         *time.Time `json:"started_at"`
	ExpiresAt         time.Time  `json:"expires_at"`
	CancelRequestedAt *time.Time `json:"cancel_requested_at"`
	EndedAt           *time.Time `json:"ended_at"`
	ArchivedAt        *time.Time `json:"archived_at"` // when its results were deleted
}

// Waiting says what a batch waits for.
type Waiting struct {
	Reason  string    `json:"reason"` // "quota", "backend", "native", "items"
	Until   time.Time `json:"until"`  // at most
	Message string    `json:"message"`
}

// Counts are the items of a batch by what became of them. Waiting are those that have not been sent.
type Counts struct {
	Total     int `json:"total"`
	Waiting   int `json:"waiting"`
	Running   int `json:"running"`
	Succeeded int `json:"succeeded"`
	Errored   int `json:"errored"`
	Canceled  int `json:"canceled"`
	Expired   int `json:"expired"`
}

// InputError is a mistake in a batch's input.
type InputError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Param   string `json:"param,omitempty"`
	Line    int    `json:"line,omitempty"` // from 1
}

// Usage is what a batch took.
type Usage struct {
	InputTokens      int64   `json:"input_tokens"`
	OutputTokens     int64   `json:"output_tokens"`
	CacheReadTokens  int64   `json:"cache_read_tokens"`
	CacheWriteTokens int64   `json:"cache_write_tokens"`
	Cost             float64 `json:"cost"` // in the currency of the price list
}

// UsageOf is what a batch took.
func UsageOf(b *gateway.Batch) Usage {
	return Usage{
		InputTokens: b.Usage.Input, OutputTokens: b.Usage.Output, CacheReadTokens: b.Usage.CacheRead, CacheWriteTokens: b.Usage.CacheWrite,
		Cost: b.Cost.Units(),
	}
}

// InputErrorsOf are the mistakes in a batch's input; nil if there are none.
func InputErrorsOf(b *gateway.Batch) []InputError {
	var errs []InputError
	for _, e := range b.InputErrors {
		errs = append(errs, InputError(e))
	}
	return errs
}

// BatchList is a page of GET /batches, the newest first.
type BatchList struct {
	Data    []Batch `json:"data"`
	HasMore bool    `json:"has_more"` // ask again with ?after=<id of the last>
}

// Submission is the answer of POST /batches/submissions: the permission to start one batch through Temporal.
type Submission struct {
	ID         string    `json:"id"`    // the batch that may be made
	Token      string    `json:"token"` // the workflow's input names it
	ExpiresAt  time.Time `json:"expires_at"`
	WorkflowID string    `json:"workflow_id"` // the batch's: any other is refused
	TaskQueue  string    `json:"task_queue"`
	Namespace  string    `json:"namespace"`
}
