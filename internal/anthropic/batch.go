package anthropic

import (
	"time"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// messageBatch is a batch as the Message Batches API shows it. Times are RFC 3339, null until it is so.
type messageBatch struct {
	ID                string        `json:"id"`
	Type              string        `json:"type"`              // "message_batch"
	ProcessingStatus  string        `json:"processing_status"` // "in_progress", "canceling", "ended"
	RequestCounts     requestCounts `json:"request_counts"`
	CreatedAt         *time.Time    `json:"created_at"`
	ExpiresAt         *time.Time    `json:"expires_at"`
	EndedAt           *time.Time    `json:"ended_at"`
	CancelInitiatedAt *time.Time    `json:"cancel_initiated_at"`
	ArchivedAt        *time.Time    `json:"archived_at"`
	ResultsURL        *string       `json:"results_url"` // null where there are no results to read
}

type requestCounts struct {
	Processing int `json:"processing"`
	Succeeded  int `json:"succeeded"`
	Errored    int `json:"errored"`
	Canceled   int `json:"canceled"`
	Expired    int `json:"expired"`
}

type messageBatchList struct {
	Data    []messageBatch `json:"data"`
	HasMore bool           `json:"has_more"`
	FirstID *string        `json:"first_id"`
	LastID  *string        `json:"last_id"`
}

type messageBatchDeleted struct {
	ID   string `json:"id"`
	Type string `json:"type"` // "message_batch_deleted"
}

// MessageBatch is the JSON of a batch. resultsURL is shown only while the results can be read.
func MessageBatch(b *gateway.Batch, resultsURL string) []byte {
	return marshal(newMessageBatch(b, resultsURL))
}

// MessageBatchList is the JSON of a page of batches. resultsURL is where the results of the batch of an id are.
func MessageBatchList(batches []gateway.Batch, more bool, resultsURL func(id string) string) []byte {
	list := messageBatchList{Data: make([]messageBatch, len(batches)), HasMore: more}
	for i := range batches {
		list.Data[i] = newMessageBatch(&batches[i], resultsURL(batches[i].PublicID()))
	}
	if n := len(list.Data); n > 0 {
		list.FirstID, list.LastID = &list.Data[0].ID, &list.Data[n-1].ID
	}
	return marshal(list)
}

// MessageBatchDeleted is the answer to the deletion of a batch.
func MessageBatchDeleted(id string) []byte {
	return marshal(messageBatchDeleted{id, "message_batch_deleted"})
}

func newMessageBatch(b *gateway.Batch, resultsURL string) messageBatch {
	m := messageBatch{
		ID: b.PublicID(), Type: "message_batch", ProcessingStatus: "in_progress",
		// The API counts nothing as done until the whole batch has ended.
		RequestCounts: requestCounts{Processing: b.Total},
		CreatedAt:     moment(b.CreatedAt), ExpiresAt: moment(b.ExpiresAt), EndedAt: moment(b.EndedAt),
		CancelInitiatedAt: moment(b.CancelRequestedAt), ArchivedAt: moment(b.ArchivedAt),
	}
	switch {
	case b.State == gateway.BatchEnded:
		m.ProcessingStatus = "ended"
		m.RequestCounts = requestCounts{
			Succeeded: b.Counts.Succeeded, Errored: b.Counts.Errored, Canceled: b.Counts.Canceled, Expired: b.Counts.Expired,
		}
		if b.ArchivedAt.IsZero() {
			m.ResultsURL = &resultsURL
		}
	case !b.CancelRequestedAt.IsZero():
		m.ProcessingStatus = "canceling"
	}
	return m
}

// moment is a time as the API writes it; nil for none.
func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}
