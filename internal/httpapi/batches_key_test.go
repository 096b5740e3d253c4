package httpapi

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

func TestAKeyMakesOneBatchOfOneInput(t *testing.T) {
	w := newBatchWorld(t)
	file := w.upload("{}\n")
	other := w.upload("{}\n")
	for _, c := range []struct{ path, body, other string }{
		{"/v1/messages/batches", messages("a", "b"), messages("a", "c")},
		{"/v1/batches", batchRequest(file), batchRequest(other)},
	} {
		key := []string{"Idempotency-Key", "key of " + c.path}
		res, first := w.send(http.MethodPost, c.path, c.body, key...)
		if res.StatusCode != http.StatusOK || res.Header.Get("Idempotent-Replayed") != "" {
			t.Fatalf("%d %v", res.StatusCode, first)
		}
		res, again := w.send(http.MethodPost, c.path, c.body, key...)
		if res.StatusCode != http.StatusOK || res.Header.Get("Idempotent-Replayed") != "true" || again["id"] != first["id"] || again["created_at"] != first["created_at"] {
			t.Errorf("again: %d %v, at first %v", res.StatusCode, again, first)
		}
		res, refused := w.send(http.MethodPost, c.path, c.other, key...)
		if res.StatusCode != http.StatusBadRequest || res.Header.Get("X-Should-Retry") != "false" || !strings.Contains(told(refused), "this key was used for another input, which made the batch "+first["id"].(string)) {
			t.Errorf("another input: %d %v", res.StatusCode, refused)
		}
		res, theirs := w.send(http.MethodPost, "/v1/messages/batches", messages("a", "b"), append(key, "Authorization", "Bearer tok-pro")...)
		if res.StatusCode != http.StatusOK || theirs["id"] == first["id"] {
			t.Errorf("another's: %d %v", res.StatusCode, theirs)
		}
	}
	res, refused := w.send(http.MethodPost, "/v1/messages/batches", messages("a", "b"), "Idempotency-Key", "key of /v1/messages/batches", "Anthropic-Beta", "fine-beta")
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("other betas: %d %v", res.StatusCode, refused)
	}
	res, refused = w.send(http.MethodPost, "/v1/messages/batches", messages("a", "b"), "Idempotency-Key", "key of /v1/batches")
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("the other dialect: %d %v", res.StatusCode, refused)
	}
}

func TestAKeyIsTakenWhileItsFirstRequestIsReceived(t *testing.T) {
	w := newBatchWorld(t)
	begun := make(chan struct{}, 1)
	w.faults.create = func() error { begun <- struct{}{}; return nil }
	body := messages(names(100)...)
	from, to := io.Pipe()
	first := w.request(http.MethodPost, "/v1/messages/batches", "", "Idempotency-Key", "k")
	first.Body, first.ContentLength = from, -1
	answered := make(chan *http.Response, 1)
	go func() {
		res, err := w.Client().Do(first)
		if err != nil {
			t.Error(err)
		}
		answered <- res
	}()
	if _, err := io.WriteString(to, body[:100]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it was begun", begun)
	res, object := w.send(http.MethodPost, "/v1/messages/batches", body, "Idempotency-Key", "k")
	if res.StatusCode != http.StatusConflict || res.Header.Get("Retry-After") != "1" || res.Header.Get("X-Should-Retry") != "" || !strings.Contains(told(object), "still being received") {
		t.Errorf("%d %v", res.StatusCode, object)
	}
	if _, err := io.WriteString(to, body[100:]); err != nil {
		t.Fatal(err)
	}
	_ = to.Close()
	made := eventually(t, "it was answered", answered)
	defer made.Body.Close()
	id := decoded(t, made.Body)["id"]
	res, object = w.send(http.MethodPost, "/v1/messages/batches", body, "Idempotency-Key", "k")
	if res.StatusCode != http.StatusOK || object["id"] != id || id == nil {
		t.Errorf("%d %v", res.StatusCode, object)
	}
}

func TestManyRequestsWithOneKeyMakeOneBatch(t *testing.T) {
	w := newBatchWorld(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	ids := map[any]bool{}
	for range 8 {
		all.Go(func() {
			for {
				res, object := w.send(http.MethodPost, "/v1/messages/batches", messages(names(50)...), "Idempotency-Key", "k")
				if res.StatusCode == http.StatusConflict {
					continue
				}
				if res.StatusCode != http.StatusOK {
					t.Errorf("%d %v", res.StatusCode, object)
				}
				mu.Lock()
				defer mu.Unlock()
				ids[object["id"]] = true
				return
			}
		})
	}
	all.Wait()
	if n := w.server.Int(t, `SELECT count(*) FROM batches`); len(ids) != 1 || n != 1 {
		t.Errorf("%d batches, told of %d", n, len(ids))
	}
}

// A client is told that its batch was made, or that it was not, or that nobody knows: never what is not so.
func TestABatchWhoseAcceptanceFailedIsLookedFor(t *testing.T) {
	lost := errors.New("connection reset")
	for name, c := range map[string]struct {
		committed, away bool // the acceptance was; the database, from then on
		key             string
		status          int
		retry, says     string // X-Should-Retry
	}{
		"it was accepted all the same":        {true, false, "", 200, "", ""},
		"it was not":                          {false, false, "", 503, "", "Try again in a few seconds."},
		"nobody knows":                        {true, true, "", 503, "false", "may have been made or not. Look whether GET /v1/messages/batches has it"},
		"nobody knows, but it has a key":      {true, true, "k", 503, "", "Try again in a few seconds."},
		"it was accepted, and it has a key":   {true, false, "k", 200, "", ""},
		"it was not, and its key is free now": {false, false, "k", 503, "", "Try again in a few seconds."},
	} {
		t.Run(name, func(t *testing.T) {
			w := newBatchWorld(t)
			w.faults.accept = func(commit func() error) error {
				if c.committed {
					if err := commit(); err != nil {
						t.Error(err)
					}
				}
				if c.away {
					w.faults.look = func() error { return lost }
				}
				return lost
			}
			var header []string
			if c.key != "" {
				header = []string{"Idempotency-Key", c.key}
			}
			res, object := w.send(http.MethodPost, "/v1/messages/batches", messages("a"), header...)
			if res.StatusCode != c.status || res.Header.Get("X-Should-Retry") != c.retry || !strings.Contains(told(object), c.says) {
				t.Errorf("%d %v", res.StatusCode, object)
			}
			w.faults.accept, w.faults.look = nil, nil
			if !c.committed {
				w.nothingIsKept(t)
				if res, _ := w.send(http.MethodPost, "/v1/messages/batches", messages("a"), header...); res.StatusCode != http.StatusOK || res.Header.Get("Idempotent-Replayed") != "" {
					t.Errorf("again: %d", res.StatusCode)
				}
			}
		})
	}
}

func TestItemsThatCannotBeStoredEndTheUpload(t *testing.T) {
	w := newBatchWorld(t)
	for says, fault := range map[string]error{
		"Try again in a few seconds.": errors.New("connection refused"),
		`"item-7"`:                    &gateway.DuplicateItem{N: 9, CustomID: "item-7"},
	} {
		calls := 0
		w.faults.add = func() error {
			if calls++; calls == 2 {
				return fault
			}
			return nil
		}
		res, object := w.send(http.MethodPost, "/v1/messages/batches", messages(names(3*groupItems)...), "Idempotency-Key", "k")
		if !slices.Contains([]int{400, 503}, res.StatusCode) || !strings.Contains(told(object), says) || calls != 2 {
			t.Errorf("%d %v, %d calls", res.StatusCode, object, calls)
		}
		w.nothingIsKept(t)
	}
}
