package adapter

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// anthropicModel is a model as the Anthropic API lists it. The adapter does not know when a model was made, for which
// the API has the beginning of time.
type anthropicModel struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	DisplayName string `json:"display_name"`
	CreatedAt   string `json:"created_at"`
}

// anthropicPage is the list, always on one page, however short a page was asked for: nobody is told to ask for more.
type anthropicPage struct {
	Data    []any  `json:"data"`
	HasMore bool   `json:"has_more"`
	FirstID string `json:"first_id,omitempty"`
	LastID  string `json:"last_id,omitempty"`
}

type openAIModel struct {
	ID      string `json:"id"`
	Object  string `json:"object"`
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
}

type openAIList struct {
	Object string `json:"object"`
	Data   []any  `json:"data"`
}

// list answers GET /v1/models.
func (a *Adapter) list(w http.ResponseWriter, r *http.Request) {
	names := a.models().names()
	data := make([]any, len(names))
	for i, name := range names {
		data[i] = model(r, name)
	}
	if dialect(r) == gateway.OpenAI {
		writeJSON(w, http.StatusOK, openAIList{"list", data})
		return
	}
	page := anthropicPage{Data: data}
	if n := len(names); n > 0 {
		page.FirstID, page.LastID = names[0], names[n-1]
	}
	writeJSON(w, http.StatusOK, page)
}

// one answers GET /v1/models/{id}.
func (a *Adapter) one(w http.ResponseWriter, r *http.Request) {
	id, all := r.PathValue("id"), a.models()
	if _, known := all.resolve(id); !known && !slices.Contains(all.names(), id) {
		a.fail(w, r, &gateway.Error{Code: gateway.NotFound, NoRetry: true, Message: "There is no model " + id + " in the adapter's list. GET /v1/models tells which there are."})
		return
	}
	writeJSON(w, http.StatusOK, model(r, id))
}

// model is a model in the shape of the request's dialect.
func model(r *http.Request, id string) any {
	if dialect(r) == gateway.OpenAI {
		return openAIModel{ID: id, Object: "model", OwnedBy: "adapter"}
	}
	return anthropicModel{Type: "model", ID: id, DisplayName: id, CreatedAt: "1970-01-01T00:00:00Z"}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // structs of strings always marshal
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
