package clients_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestOpenAISDKsKeepFiles(t *testing.T) {
	each(t, openAISDKs(), "pro", func(t *testing.T, s session) {
		content := chatLines(t, []batchItem{{"a", "good morning"}, {"b", "größer, 大きい"}})
		first, second := s.upload(t, content), s.upload(t, "second")
		got := s.do(t, order{Call: "file_get", Batch: batchOrder{ID: first.ID}})
		s.checkID(t, got)
		if b := got.Batch; got.Error != nil || b.ID != first.ID || b.Name != "prompts.jsonl" || b.Bytes != int64(len(content)) || b.Purpose != "batch" {
			t.Errorf("file %+v, error %+v", b, got.Error)
		}
		list := order{Call: "file_list", Page: 1}
		if got := s.do(t, list); got.Error != nil || !slices.Equal(got.Batch.IDs, []string{second.ID, first.ID}) {
			t.Errorf("files %q, error %+v", got.Batch.IDs, got.Error)
		}
		if got := s.do(t, order{Call: "file_content", Batch: batchOrder{ID: first.ID}}); got.Error != nil || got.Batch.Output != content {
			t.Errorf("content %q, error %+v", got.Batch.Output, got.Error)
		}
		stranger := stack.User(t, "pro").Token
		s.checkError(t, s.do(t, order{Call: "file_content", Token: stranger, Batch: batchOrder{ID: first.ID}}), 404, "")

		got = s.do(t, order{Call: "file_delete", Batch: batchOrder{ID: first.ID}})
		s.checkID(t, got)
		if got.Error != nil || got.Batch.ID != first.ID || got.Batch.Status != "deleted" {
			t.Errorf("%+v, error %+v", got.Batch, got.Error)
		}
		s.checkError(t, s.do(t, order{Call: "file_get", Batch: batchOrder{ID: first.ID}}), 404, "")
		if got := s.do(t, list); got.Error != nil || !slices.Equal(got.Batch.IDs, []string{second.ID}) {
			t.Errorf("files %q, error %+v", got.Batch.IDs, got.Error)
		}
	})
}

func TestOpenAISDKsEmbedABatch(t *testing.T) {
	const model = "text-embedding-3-small"
	eachOver(t, openAISDKs(), func(t *testing.T, s session) {
		metadata := map[string]string{"team": "search", "größe": "大きい"}
		file := s.upload(t, fileLine(t, "words", "/v1/embeddings", map[string]any{"model": model, "input": []string{"good morning", "another"}}))
		made := s.do(t, order{Call: "batch_create", Batch: batchOrder{ID: file.ID, Endpoint: "/v1/embeddings", Metadata: metadata}})
		if made.Error != nil {
			t.Fatalf("error %+v", made.Error)
		}
		got, results := s.finishBatch(t, made.Batch.ID, false)
		if !maps.Equal(made.Batch.Metadata, metadata) || !maps.Equal(got.Batch.Metadata, metadata) {
			t.Errorf("metadata %v, at the end %v, want %v", made.Batch.Metadata, got.Batch.Metadata, metadata)
		}
		if s.backend == "anthropic" { // it has no embeddings
			if result := results["words"]; got.Batch.Errored != 1 || result.End != "errored" || !strings.Contains(result.Error, model) {
				t.Errorf("batch %+v, result %+v", got.Batch, result)
			}
			stack.Ledger(t, s.user.Subject, 0, 0)
			return
		}
		var line struct {
			Response struct {
				Body struct {
					Data []struct {
						Embedding []float64 `json:"embedding"`
					} `json:"data"`
				} `json:"body"`
			} `json:"response"`
		}
		if err := json.Unmarshal([]byte(got.Batch.Output), &line); err != nil || len(line.Response.Body.Data) != 2 || len(line.Response.Body.Data[1].Embedding) != 64 {
			t.Errorf("output %s, error %v", got.Batch.Output, err)
		}
		if row := stack.Ledger(t, s.user.Subject, 0, 1)[0]; row.Endpoint != "embeddings" || row.ModelRequested != model || row.Charge != 1 || row.InputTokens != got.InputTokens {
			t.Errorf("ledger row %+v, the batch has %d tokens", row, got.InputTokens)
		}
	})
}

func TestOpenAISDKsAreToldWhichLinesOfAFileAreWrong(t *testing.T) {
	each(t, openAISDKs(), "pro", func(t *testing.T, s session) {
		file := s.upload(t, chatLines(t, []batchItem{{"fine", "hello"}})+"{broken\n"+fileLine(t, "elsewhere", "/v1/embeddings", map[string]any{"model": "m"}))
		made := s.do(t, order{Call: "batch_create", Batch: batchOrder{ID: file.ID, Endpoint: s.path}})
		if made.Error != nil {
			t.Fatalf("error %+v", made.Error)
		}
		got, results := s.finishBatch(t, made.Batch.ID, false)
		if got.Batch.Status != "failed" || len(results) > 0 {
			t.Errorf("batch %+v, results %v", got.Batch, results)
		}
		mistakes := got.Batch.Mistakes
		if len(mistakes) != 2 || mistakes[0].Line != 2 || mistakes[0].Code != "invalid_json_line" || mistakes[1].Line != 3 || mistakes[1].Code != "url_mismatch" {
			t.Errorf("mistakes %+v", mistakes)
		}
		stack.Ledger(t, s.user.Subject, 0, 0)
	})
}

func TestOpenAISDKsAreToldOnceWhatNoBatchIsMadeOf(t *testing.T) {
	each(t, openAISDKs(), "pro", func(t *testing.T, s session) {
		file := s.upload(t, chatLines(t, []batchItem{{"fine", "hello"}})).ID
		for _, c := range []struct {
			place string
			asked batchOrder
		}{
			{"input_file_id", batchOrder{ID: "file-of-nobody", Endpoint: s.path}},
			{"endpoint", batchOrder{ID: file, Endpoint: "/v1/completions"}},
			{"metadata", batchOrder{ID: file, Endpoint: s.path, Metadata: map[string]string{"long": strings.Repeat("x", 513)}}},
		} {
			before := len(s.tap.Calls())
			got := s.do(t, order{Call: "batch_create", Batch: c.asked})
			s.checkError(t, got, 400, "")
			if !strings.HasPrefix(got.Error.Message, c.place+": ") {
				t.Errorf("message %q, want it to begin with %s", got.Error.Message, c.place)
			}
			if calls := len(s.tap.Calls()) - before; calls != 1 {
				t.Errorf("%s: %d requests, want 1", c.place, calls)
			}
		}
		if list := s.do(t, order{Call: "batch_list", Page: 2}); list.Error != nil || len(list.Batch.IDs) > 0 {
			t.Errorf("the list has %q: %+v", list.Batch.IDs, list.Error)
		}
	})
}

// upload uploads a file for a batch.
func (s session) upload(t *testing.T, content string) batchReply {
	t.Helper()
	got := s.do(t, order{Call: "file_create", Batch: batchOrder{File: content}})
	if got.Error != nil || got.Batch.ID == "" {
		t.Fatalf("file %+v, error %+v", got.Batch, got.Error)
	}
	s.checkID(t, got)
	return got.Batch
}

// resultOf reads a line of a batch's output or error file.
func resultOf(t *testing.T, text string) batchResult {
	t.Helper()
	type failure struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	var line struct {
		CustomID string `json:"custom_id"`
		Response *struct {
			StatusCode int `json:"status_code"`
			Body       struct {
				Choices []struct {
					Message struct {
						Content string `json:"content"`
					} `json:"message"`
				} `json:"choices"`
				Error failure `json:"error"`
			} `json:"body"`
		} `json:"response"`
		Error *failure `json:"error"`
	}
	if err := json.Unmarshal([]byte(text), &line); err != nil || (line.Response == nil) == (line.Error == nil) {
		t.Fatalf("line %s, error %v", text, err)
	}
	result := batchResult{CustomID: line.CustomID}
	switch {
	case line.Error != nil && line.Error.Code == "batch_cancelled":
		result.End = "canceled"
	case line.Error != nil:
		result.End, result.Error = "errored", line.Error.Message
	case line.Response.StatusCode != 200:
		result.End, result.Error = "errored", line.Response.Body.Error.Message
	default:
		result.End = "succeeded"
		for _, choice := range line.Response.Body.Choices {
			result.Text += choice.Message.Content
		}
	}
	return result
}
