package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// MaxInline is how many items may be in one message to a workflow. Temporal takes no message over 2 MB either: more, or
// larger ones, are uploaded as a file.
const MaxInline = 1000

// Submission is a batch that somebody starts through Temporal.
type Submission struct {
	Token    string            `json:"token,omitempty"`    // the permission, from POST /batches/submissions, or signed by an allowed service
	Endpoint string            `json:"endpoint,omitempty"` // of every item: "/v1/messages", "/v1/chat/completions", "/v1/embeddings", "/v1/responses"
	Items    []BatchItem       `json:"items,omitempty"`    // at most 1,000, 2 MB in all
	FileID   string            `json:"file_id,omitempty"`  // instead of items: "file-…", a JSONL file uploaded with POST /v1/files
	Open     bool              `json:"open,omitempty"`     // more items may be added, with the update AddItems
	Metadata map[string]string `json:"metadata,omitempty"`
}

// BatchItem is one item of a [Submission], or of an update AddItems.
type BatchItem struct {
	CustomID string          `json:"custom_id"` // unique in the batch
	Body     json.RawMessage `json:"body"`      // of the request, as for the endpoint; "stream" may not be true
}

// Submit puts a batch that was started through Temporal on record and answers its id. The token permits one batch, whose
// public id the workflow must have; it must have been good when the workflow was started. After an error there is no
// batch.
func (b *Batches) Submit(ctx context.Context, workflowID string, started time.Time, s Submission) (uuid.UUID, error) {
	batch, err := b.permitted(workflowID, started, s)
	if err != nil {
		return uuid.Nil, err
	}
	if batch.InputFile, err = b.inputFile(ctx, batch.Principal, s); err != nil {
		return uuid.Nil, err
	}
	items, err := b.items(batch.ID, batch.Endpoint, 0, s.Items)
	if err != nil {
		return uuid.Nil, err
	}
	if there, err := b.create(ctx, batch); there || err != nil {
		return batch.ID, err
	}
	err = b.Store.AddItems(ctx, items)
	if errors.Is(err, gateway.ErrNotFound) {
		return uuid.Nil, refused("The batch of this token has been deleted. Get a new token from POST /batches/submissions.")
	}
	if err != nil {
		return uuid.Nil, err
	}
	return batch.ID, b.Store.AcceptBatch(ctx, batch.ID, len(items), batch.InputDigest)
}

// create makes the batch, unless that was done before: the activity runs again, or the workflow was started again. It
// tells whether the batch is there with all it needs.
func (b *Batches) create(ctx context.Context, batch *gateway.Batch) (there bool, err error) {
	before, err := b.Store.Batch(ctx, batch.ID)
	if !errors.Is(err, gateway.ErrNotFound) {
		return true, same(&before, batch, err)
	}
	if err := b.Store.CreateBatch(ctx, batch); err != nil && !errors.Is(err, gateway.ErrKeyUsed) {
		return false, err
	}
	// That it is there does not say that it is this one: a service chooses the ids of its batches itself.
	before, err = b.Store.BatchByKey(ctx, batch.Principal.Subject, batch.IdempotencyKey)
	return false, same(&before, batch, err)
}

// same tells that what is on record, if it could be read, is of the same submission.
func same(before, batch *gateway.Batch, err error) error {
	other := err == nil && (before.Principal.Subject != batch.Principal.Subject || !bytes.Equal(before.InputDigest, batch.InputDigest))
	if other || errors.Is(err, gateway.ErrNotFound) {
		return refused("The token has been used for another batch. Get a new one from POST /batches/submissions.")
	}
	return err
}

// permitted is the batch that the submission is to make, as far as that can be told from the submission alone.
func (b *Batches) permitted(workflowID string, started time.Time, s Submission) (*gateway.Batch, error) {
	endpoint, ok := openai.ParseEndpoint(s.Endpoint)
	switch {
	case b.Submissions == nil:
		return nil, refused("Batches cannot be started through Temporal here: the gateway has no batch.submission_key_file and no batch.services. Use POST /v1/messages/batches or POST /v1/batches.")
	case !ok:
		return nil, refused("endpoint: batches cannot be made for %q. Use /v1/messages, /v1/chat/completions, /v1/embeddings or /v1/responses.", s.Endpoint)
	}
	id, principal, err := b.Submissions.Verify(s.Token, started)
	if err != nil {
		return nil, refused("token: %s", gateway.AsError(err).Message)
	}
	if own := gateway.PublicBatchID(endpoint.Dialect(), id); workflowID != own {
		return nil, refused("The token permits a batch of %s with the workflow id %s. Start the workflow with that id.", s.Endpoint, own)
	}
	if err := openai.CheckMetadata(s.Metadata); err != nil {
		return nil, refused("%s", gateway.AsError(err).Message)
	}
	switch {
	case len(s.Items) > 0 && s.FileID != "":
		return nil, refused("items, file_id: use one of them, not both.")
	case len(s.Items) == 0 && s.FileID == "" && !s.Open:
		return nil, refused("items: the batch has none. Give items, or the file_id of an uploaded file, or set open and add items later.")
	}
	now := time.Now()
	return &gateway.Batch{
		ID: id, WorkflowID: workflowID, Principal: principal, Endpoint: endpoint, State: gateway.BatchUploading, Open: s.Open,
		Metadata: s.Metadata, IdempotencyKey: "workflow:" + workflowID, InputDigest: digest(s),
		CreatedAt: now, ExpiresAt: now.Add(b.Limits.Window),
	}, nil
}

// digest tells submissions apart. The token is not a part of what is submitted.
func digest(s Submission) []byte {
	s.Token = ""
	text, err := json.Marshal(s)
	if err != nil { // it came as JSON
		panic(err)
	}
	sum := sha256.Sum256(text)
	return sum[:]
}

// inputFile is the file that the submission names; zero if it names none.
func (b *Batches) inputFile(ctx context.Context, p gateway.Principal, s Submission) (uuid.UUID, error) {
	if s.FileID == "" {
		return uuid.Nil, nil
	}
	id, ok := gateway.ParseFileID(s.FileID)
	if !ok {
		return uuid.Nil, refused("file_id: %q is no file's id. Upload the file with POST /v1/files and use the id it answers.", s.FileID)
	}
	file, err := b.Store.File(ctx, id)
	switch {
	case errors.Is(err, gateway.ErrNotFound), err == nil && file.Subject != p.Subject:
		return uuid.Nil, refused("file_id: %s has no file %s, or it has expired. Upload it with POST /v1/files and a token of the same user.", p.User, s.FileID)
	case err == nil && file.Purpose != gateway.FileForBatch:
		return uuid.Nil, refused("file_id: the purpose of %s is %q. Upload the file with the purpose %q.", s.FileID, file.Purpose, gateway.FileForBatch)
	}
	return id, err
}

// AddedItems are items that are added to an open batch.
type AddedItems struct {
	Batch uuid.UUID
	From  int // the place of the first
	Items []BatchItem
	Close bool // these are the last
}

// AddItems adds items to an open batch, all or none, and answers how many it has now.
func (b *Batches) AddItems(ctx context.Context, a AddedItems) (int, error) {
	batch, err := b.batch(ctx, a.Batch)
	if err != nil {
		return 0, err
	}
	total := a.From + len(a.Items)
	if len(a.Items) > 0 && total > b.Limits.Items {
		return 0, refused("A batch has at most %d items, and this would be %d. Start another one.", b.Limits.Items, total)
	}
	items, err := b.items(a.Batch, batch.Endpoint, a.From, a.Items)
	if err != nil {
		return 0, err
	}
	err = b.Store.AddItems(ctx, items)
	if duplicate, ok := errors.AsType[*gateway.DuplicateItem](err); ok {
		return 0, refused("items[%d].custom_id: %q is another item's. None of the items was added.", duplicate.N-a.From, duplicate.CustomID)
	}
	if err != nil {
		return 0, err
	}
	return total, b.Store.GrowBatch(ctx, a.Batch, total, !a.Close)
}

// items makes a message's items into those of a batch, from the given place on. All must be good.
func (b *Batches) items(batch uuid.UUID, e gateway.Endpoint, from int, items []BatchItem) ([]gateway.Item, error) {
	if len(items) > MaxInline {
		return nil, refused("items: there are %d, and at most %d can be sent this way. Upload a file with POST /v1/files and give its id.", len(items), MaxInline)
	}
	made, seen := make([]gateway.Item, 0, len(items)), make(map[string]bool, len(items))
	for i, item := range items {
		id, body, err := readItem(item, e)
		switch {
		case err != nil:
			return nil, refused("items[%d]: %s", i, err.Message)
		case len(body) > b.Limits.Line:
			return nil, refused("items[%d].body: it has %d bytes, over the limit of %d.", i, len(body), b.Limits.Line)
		case seen[id]:
			return nil, refused("items[%d].custom_id: %q is another item's. Give each its own.", i, id)
		}
		seen[id] = true
		made = append(made, gateway.Item{Batch: batch, N: from + i, CustomID: id, Body: b.Bodies.Body(body)})
	}
	return made, nil
}

// readItem reads an item as the line of an input file that says the same, so that one rule holds for both.
func readItem(item BatchItem, e gateway.Endpoint) (customID string, body []byte, mistake *gateway.InputError) {
	line, err := json.Marshal(struct {
		CustomID string          `json:"custom_id"`
		Method   string          `json:"method"`
		URL      string          `json:"url"`
		Body     json.RawMessage `json:"body"`
	}{item.CustomID, "POST", e.Path(), item.Body})
	if err != nil {
		return "", nil, &gateway.InputError{Code: "invalid_json", Message: fmt.Sprintf("body: it is not valid JSON: %v.", err)}
	}
	return openai.ReadLine(line, e)
}
