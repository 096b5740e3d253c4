package httpapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
	"github.com/openova-io/llm-gateway/internal/record"
)

// batchWorld is a world with batches in a real database, which the gateway uses as a frontend and the test as a worker.
type batchWorld struct {
	*world
	server *postgrestest.Server
	worker *postgres.DB
	faults *faultyStore
}

// faultyStore is a store some of whose calls go as a test wants them to.
type faultyStore struct {
	BatchStore
	create  func() error
	accept  func(commit func() error) error
	add     func() error
	look    func() error
	discard func(uuid.UUID)
	results func(n int) error // before each line
}

func (s *faultyStore) CreateBatch(ctx context.Context, b *gateway.Batch) error {
	err := s.BatchStore.CreateBatch(ctx, b)
	if s.create != nil && err == nil {
		return s.create()
	}
	return err
}

func (s *faultyStore) AcceptBatch(ctx context.Context, id uuid.UUID, total int, digest []byte) error {
	commit := func() error { return s.BatchStore.AcceptBatch(ctx, id, total, digest) }
	if s.accept != nil {
		return s.accept(commit)
	}
	return commit()
}

func (s *faultyStore) AddItems(ctx context.Context, items []gateway.Item) error {
	if s.add != nil {
		if err := s.add(); err != nil {
			return err
		}
	}
	return s.BatchStore.AddItems(ctx, items)
}

func (s *faultyStore) Batch(ctx context.Context, id uuid.UUID) (gateway.Batch, error) {
	if s.look != nil {
		if err := s.look(); err != nil {
			return gateway.Batch{}, err
		}
	}
	return s.BatchStore.Batch(ctx, id)
}

func (s *faultyStore) DiscardBatch(ctx context.Context, id uuid.UUID) error {
	err := s.BatchStore.DiscardBatch(ctx, id)
	if s.discard != nil {
		s.discard(id)
	}
	return err
}

func (s *faultyStore) DiscardFile(ctx context.Context, id uuid.UUID) error {
	err := s.BatchStore.DiscardFile(ctx, id)
	if s.discard != nil {
		s.discard(id)
	}
	return err
}

func (s *faultyStore) Results(ctx context.Context, id uuid.UUID, part gateway.Part, fn func(gateway.Body) error) error {
	n := 0
	return s.BatchStore.Results(ctx, id, part, func(line gateway.Body) error {
		if s.results != nil {
			if err := s.results(n); err != nil {
				return err
			}
		}
		n++
		return fn(line)
	})
}

func newBatchWorld(t *testing.T, changes ...func(*Batches)) *batchWorld {
	t.Helper()
	w := &batchWorld{server: postgrestest.Start(t)}
	w.worker = w.open(t, postgrestest.Worker)
	w.faults = &faultyStore{BatchStore: w.open(t, postgrestest.Frontend)}
	w.world = newWorld(t, nil, withBatches(t, w.faults, changes...))
	return w
}

func (w *batchWorld) open(t *testing.T, role postgrestest.Role) *postgres.DB {
	t.Helper()
	db, err := postgres.Open(t.Context(), postgres.Config{URL: w.server.URL(role)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db
}

// withBatches makes a world take batches into a store.
func withBatches(t *testing.T, store BatchStore, changes ...func(*Batches)) func(*config.Config, *world) {
	return func(cfg *config.Config, w *world) {
		compressor, err := record.NewCompressor()
		if err != nil {
			t.Fatal(err)
		}
		w.batches = &Batches{Config: cfg.Batch, Temporal: cfg.Temporal, Store: store, Compressor: compressor}
		for _, change := range changes {
			change(w.batches)
		}
	}
}

// messages is the body of an Anthropic batch of items with these names.
func messages(customIDs ...string) string {
	var items []string
	for _, id := range customIDs {
		items = append(items, fmt.Sprintf(`{"custom_id":%q,"params":%s}`, id, params))
	}
	return `{"requests":[` + strings.Join(items, ",") + `]}`
}

const params = `{"model":"claude-haiku-5-5","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`

// send makes a request and reads its JSON answer.
func (w *world) send(method, path, body string, header ...string) (*http.Response, map[string]any) {
	w.t.Helper()
	res := w.do(w.request(method, path, body, header...))
	return res, decoded(w.t, res.Body)
}

func decoded(t *testing.T, body io.Reader) (object map[string]any) {
	t.Helper()
	text, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &object); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return object
}

// told is the message of an error.
func told(object map[string]any) string {
	e, _ := object["error"].(map[string]any)
	message, _ := e["message"].(string)
	return message
}

// made makes an Anthropic batch and answers its id.
func (w *world) made(customIDs ...string) string {
	w.t.Helper()
	res, object := w.send(http.MethodPost, "/v1/messages/batches", messages(customIDs...))
	if res.StatusCode != http.StatusOK {
		w.t.Fatalf("%d %v", res.StatusCode, object)
	}
	return object["id"].(string)
}

// form is a multipart form of names and values in turn; the value of "file" is a file of that content.
func form(t *testing.T, fields ...string) (body, contentType string) {
	t.Helper()
	var buf bytes.Buffer
	parts := multipart.NewWriter(&buf)
	for i := 0; i < len(fields); i += 2 {
		var to io.Writer
		var err error
		if fields[i] == "file" {
			to, err = parts.CreateFormFile("file", "in put.jsonl")
		} else {
			to, err = parts.CreateFormField(fields[i])
		}
		if err == nil {
			_, err = io.WriteString(to, fields[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := parts.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.String(), parts.FormDataContentType()
}

// upload makes a file and answers its id.
func (w *world) upload(content string) string {
	w.t.Helper()
	body, kind := form(w.t, "purpose", "batch", "file", content)
	res, object := w.send(http.MethodPost, "/v1/files", body, "Content-Type", kind)
	if res.StatusCode != http.StatusOK {
		w.t.Fatalf("%d %v", res.StatusCode, object)
	}
	return object["id"].(string)
}

// run brings a batch to its end as a worker does: its items get the results, in turn.
func (w *batchWorld) run(name string, states ...gateway.ItemState) {
	w.t.Helper()
	ctx, id := w.t.Context(), w.begin(name, len(states))
	var endings []*gateway.Ending
	for n, state := range states {
		customID := fmt.Sprintf("item-%d", n)
		result := gateway.ItemResult{
			ItemRef: gateway.ItemRef{Batch: id, N: n}, CustomID: customID, State: state,
			Line: w.batches.Compressor.Body([]byte(resultLine(n))),
		}
		if state == gateway.ItemErrored {
			result.Kind = "overloaded_error"
		}
		endings = append(endings, &gateway.Ending{Result: result})
	}
	for len(endings) > 0 {
		some := endings[:min(100, len(endings))]
		if _, err := w.worker.Commit(ctx, nil, nil, some); err != nil {
			w.t.Fatal(err)
		}
		endings = endings[len(some):]
	}
	if err := w.worker.CloseBatch(ctx, id); err != nil {
		w.t.Fatal(err)
	}
	if _, err := w.worker.EndBatch(ctx, id, gateway.BatchCompleted); err != nil {
		w.t.Fatal(err)
	}
}

// resultLine is the n-th line of the results that run makes.
func resultLine(n int) string {
	return fmt.Sprintf(`{"custom_id":"item-%d","result":{"type":"something","text":"the %d. answer"}}`, n, n)
}

// begin is run's beginning.
func (w *batchWorld) begin(name string, total int) uuid.UUID {
	w.t.Helper()
	id, _, ok := gateway.ParseBatchID(name)
	if !ok {
		w.t.Fatalf("%q is no batch's id", name)
	}
	if err := w.worker.BeginBatch(w.t.Context(), id, total); err != nil {
		w.t.Fatal(err)
	}
	return id
}

// names are item-0, item-1, … as run has them.
func names(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("item-%d", i))
	}
	return all
}

// eventually waits for what another goroutine does.
func eventually[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(10 * time.Second):
		t.Fatalf("never: %s", what)
		panic("unreachable")
	}
}
