package openai

import (
	"encoding/json"
	"time"
)

// page is a page of a list.
type page[T any] struct {
	Object  string  `json:"object"` // "list"
	Data    []T     `json:"data"`
	FirstID *string `json:"first_id"`
	LastID  *string `json:"last_id"`
	HasMore bool    `json:"has_more"`
}

// newPage makes a page of what was found.
func newPage[F, T any](found []F, more bool, show func(*F) T, id func(*T) string) page[T] {
	p := page[T]{Object: "list", Data: make([]T, len(found)), HasMore: more}
	for i := range found {
		p.Data[i] = show(&found[i])
	}
	if n := len(p.Data); n > 0 {
		p.FirstID, p.LastID = optional(id(&p.Data[0])), optional(id(&p.Data[n-1]))
	}
	return p
}

// seconds is a time as the API writes it; nil for none.
func seconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}

// optional is nil where there is nothing to say.
func optional[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil { // structs of strings and numbers always marshal
		panic(err)
	}
	return b
}
