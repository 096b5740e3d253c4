package workflows

import (
	"go.temporal.io/sdk/temporal"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// maxAttribute is the longest search attribute, in characters: Temporal keeps a keyword in a column of 255, and a
// longer one would keep the workflow from being found at all.
const maxAttribute = 255

// attributes are the keys by which requests are searched for in the Web UI.
type attributes struct {
	user, tier, model, routed, backend, status, session temporal.SearchAttributeKeyKeyword
}

func newAttributes() attributes {
	return attributes{
		user:    temporal.NewSearchAttributeKeyKeyword("User"),
		tier:    temporal.NewSearchAttributeKeyKeyword("Tier"),
		model:   temporal.NewSearchAttributeKeyKeyword("Model"),
		routed:  temporal.NewSearchAttributeKeyKeyword("RoutedModel"),
		backend: temporal.NewSearchAttributeKeyKeyword("Backend"),
		status:  temporal.NewSearchAttributeKeyKeyword("RequestStatus"),
		session: temporal.NewSearchAttributeKeyKeyword("SessionId"), // "Session" is a reserved word of the query language
	}
}

// Keywords are the names of the search attributes that a namespace must have. All are of the type Keyword.
func Keywords() []string {
	k := newAttributes()
	names := make([]string, 0, 7)
	for _, key := range []temporal.SearchAttributeKeyKeyword{k.user, k.tier, k.model, k.routed, k.backend, k.status, k.session} {
		names = append(names, key.GetName())
	}
	return names
}

// Attributes are the search attributes of a request's workflow. A value that is empty has none.
func Attributes(e gateway.Entry) temporal.SearchAttributes {
	k := newAttributes()
	var updates []temporal.SearchAttributeUpdate
	set := func(key temporal.SearchAttributeKeyKeyword, value string) {
		if value != "" {
			updates = append(updates, key.ValueSet(cut(value, maxAttribute)))
		}
	}
	set(k.user, e.User)
	set(k.tier, string(e.Tier))
	set(k.model, e.ModelRequested)
	set(k.routed, e.Target.Model)
	set(k.backend, e.Target.Backend)
	set(k.status, string(e.Status))
	set(k.session, e.Session)
	return temporal.NewSearchAttributes(updates...)
}

// attributes are the search attributes that change when a request that was shown while it ran ends.
func (o Outcome) attributes() []temporal.SearchAttributeUpdate {
	k := newAttributes()
	changed := []temporal.SearchAttributeUpdate{k.status.ValueSet(string(o.Status))}
	if o.Target != (gateway.Target{}) {
		changed = append(changed, k.routed.ValueSet(cut(o.Target.Model, maxAttribute)), k.backend.ValueSet(cut(o.Target.Backend, maxAttribute)))
	}
	return changed
}

// cut shortens a text to n characters.
func cut(s string, n int) string {
	if runes := []rune(s); len(runes) > n {
		return string(runes[:n-1]) + "…"
	}
	return s
}
