package model

import (
	"net/http"
	"slices"
	"strconv"
)

// defaultModels are the ids of a mock that is not told any.
func defaultModels() []string {
	return []string{
		"claude-opus-5-5", "claude-sonnet-5-5", "claude-haiku-5-5",
		"gpt-oss-120b", "qwen3-coder-30b", "text-embedding-3-small",
	}
}

// listModels answers GET /v1/models in the dialect of the caller.
func (m *Model) listModels(x *exchange) error {
	if x.dialect == (openai{}) {
		models := []any{}
		for _, id := range m.models {
			models = append(models, openaiModel(id))
		}
		return x.writeJSON(marshal(map[string]any{"object": "list", "data": models}))
	}
	ids := m.models
	query := x.r.URL.Query()
	if after := query.Get("after_id"); after != "" {
		ids = ids[slices.Index(ids, after)+1:]
	}
	limit, err := strconv.Atoi(query.Get("limit"))
	if err != nil || limit < 1 {
		limit = 20
	}
	page := ids[:min(limit, len(ids))]
	models := []any{}
	for _, id := range page {
		models = append(models, anthropicModel(id))
	}
	answer := map[string]any{"data": models, "has_more": len(page) < len(ids), "first_id": nil, "last_id": nil}
	if len(page) > 0 {
		answer["first_id"], answer["last_id"] = page[0], page[len(page)-1]
	}
	return x.writeJSON(marshal(answer))
}

// oneModel answers GET /v1/models/{id}.
func (m *Model) oneModel(x *exchange, id string) error {
	switch {
	case !slices.Contains(m.models, id):
		return x.refuse(http.StatusNotFound, "model: "+id)
	case x.dialect == openai{}:
		return x.writeJSON(marshal(openaiModel(id)))
	}
	return x.writeJSON(marshal(anthropicModel(id)))
}

func openaiModel(id string) map[string]any {
	return map[string]any{"id": id, "object": "model", "created": created, "owned_by": "mock"}
}

func anthropicModel(id string) map[string]any {
	return map[string]any{"type": "model", "id": id, "display_name": "Mock " + id, "created_at": "2026-01-01T00:00:00Z"}
}
