package adapter

import (
	"encoding/json"
	"net/http"
	"slices"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/gateway"
	"github.com/openova-io/llm-gateway/internal/openai"
)

// list answers GET /v1/models, always with one page, however short a page was asked for: nobody is told to ask for more.
func (a *Adapter) list(w http.ResponseWriter, r *http.Request) {
	names := a.models().names()
	if dialect(r) == gateway.OpenAI {
		list := openai.ModelList{Object: "list", Data: make([]openai.Model, len(names))}
		for i, name := range names {
			list.Data[i] = inOpenAIShape(name)
		}
		writeJSON(w, http.StatusOK, list)
		return
	}
	page := make([]anthropic.Model, len(names))
	for i, name := range names {
		page[i] = inAnthropicShape(name)
	}
	writeJSON(w, http.StatusOK, anthropic.NewModelPage(page, false))
}

// one answers GET /v1/models/{id}.
func (a *Adapter) one(w http.ResponseWriter, r *http.Request) {
	id, all := r.PathValue("id"), a.models()
	_, known := all.resolve(id)
	switch {
	case !known && !slices.Contains(all.names(), id):
		a.fail(w, r, &gateway.Error{Code: gateway.NotFound, NoRetry: true, Message: "There is no model " + id + " in the adapter's list. GET /v1/models tells which there are."})
	case dialect(r) == gateway.OpenAI:
		writeJSON(w, http.StatusOK, inOpenAIShape(id))
	default:
		writeJSON(w, http.StatusOK, inAnthropicShape(id))
	}
}

func inOpenAIShape(id string) openai.Model {
	return openai.Model{ID: id, Object: "model", OwnedBy: "adapter"}
}

// inAnthropicShape says that a model was made at the beginning of time: the adapter does not know better.
func inAnthropicShape(id string) anthropic.Model {
	return anthropic.Model{Type: "model", ID: id, DisplayName: id, CreatedAt: "1970-01-01T00:00:00Z"}
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
