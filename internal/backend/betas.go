package backend

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/tidwall/gjson"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// What a backend remembers is bounded: these are far beyond what is ever in use at a time.
const (
	maxModels  = 256 // with refusals of their own
	maxRefused = 128 // names of one model
	maxTold    = 4096
)

// filter leaves out of a call the beta features that a backend refuses: the values of the anthropic-beta header and
// the fields of the body that belong to them, together. What it refuses is configured, or learnt from its answers;
// what is learnt holds for one model, since the models of a cloud differ. It is safe for concurrent use.
type filter struct {
	add        []string // to every call
	drop, keep []string
	known      map[string][]string                // feature → paths of its fields
	own        map[string][]string                // beta → further paths, as configured
	learnt     atomic.Pointer[map[string]refused] // by model

	mu   sync.Mutex      // of those who learn
	told map[string]bool // call and name: no call is told twice to try again without the same thing
}

// refused is what a backend refuses of the calls of one model. It does not change.
type refused struct {
	betas  []string
	fields []string // paths: "context_management", "tools.*.defer_loading"
}

func newFilter(cfg config.Betas) *filter {
	return &filter{add: cfg.Add, drop: cfg.Drop, keep: cfg.Keep, known: knownFields(), own: cfg.Fields, told: map[string]bool{}}
}

// leaveOut takes the betas that the backend refuses out of header and returns the paths of the fields to go with them.
func (f *filter) leaveOut(c Call, header http.Header) (fields []string) {
	if c.Endpoint.Dialect() != gateway.Anthropic {
		return nil
	}
	learnt := f.of(c.Model)
	if len(f.drop)+len(learnt.betas)+len(learnt.fields) == 0 {
		return nil
	}
	var keep []string
	sent := betas(header)
	for _, beta := range sent {
		if f.drops(beta) || learnt.drops(beta, f.fieldsOf(beta)) {
			fields = append(fields, f.fieldsOf(beta)...)
		} else {
			keep = append(keep, beta)
		}
	}
	if len(keep) < len(sent) {
		header.Del("Anthropic-Beta")
	}
	if len(keep) > 0 {
		header.Set("Anthropic-Beta", strings.Join(keep, ","))
	}
	// Features share fields: one that stays keeps its own.
	fields = slices.DeleteFunc(fields, func(path string) bool {
		return slices.ContainsFunc(keep, func(beta string) bool { return slices.Contains(f.fieldsOf(beta), path) })
	})
	fields = append(fields, learnt.fields...)
	if hasSchema(c) {
		fields = slices.DeleteFunc(fields, func(path string) bool { return path == outputConfig })
	}
	return fields
}

// outputConfig is an object that a backend may refuse as a whole. It goes with what is asked for beside the answer's
// schema, but never with the schema: without it the request would mean something else.
const outputConfig = "output_config"

func hasSchema(c Call) bool { return gjson.GetBytes(c.Body.Bytes(), outputConfig+".format").Exists() }

// putIn adds the betas that every call of the dialect is given.
func (f *filter) putIn(c Call, header http.Header) {
	if len(f.add) == 0 || c.Endpoint.Dialect() != gateway.Anthropic {
		return
	}
	sent := betas(header)
	for _, beta := range f.add {
		if !slices.Contains(sent, beta) {
			sent = append(sent, beta)
		}
	}
	header.Set("Anthropic-Beta", strings.Join(sent, ","))
}

// drops reports whether the configuration has a beta left out.
func (f *filter) drops(beta string) bool {
	return slices.Contains(f.drop, beta) || slices.Contains(f.drop, "*") && !slices.Contains(f.keep, beta)
}

// drops reports whether a backend has refused a beta, or every field it has.
func (r refused) drops(beta string, fields []string) bool {
	if slices.Contains(r.betas, beta) {
		return true
	}
	for _, path := range fields {
		if !slices.ContainsFunc(r.fields, func(gone string) bool { return path == gone || strings.HasPrefix(path, gone+".") }) {
			return false
		}
	}
	return len(fields) > 0
}

// of is what has been learnt of a model.
func (f *filter) of(model string) refused {
	if all := f.learnt.Load(); all != nil {
		return (*all)[model]
	}
	return refused{}
}

// remember adds to what has been learnt of a model. What does not fit pushes out what was there: to learn it again
// costs one attempt.
func (f *filter) remember(model string, add refused) {
	now := refused{union(f.of(model).betas, add.betas), union(f.of(model).fields, add.fields)}
	if len(now.betas)+len(now.fields) > maxRefused {
		now = add
	}
	all := map[string]refused{}
	if old := f.learnt.Load(); old != nil && len(*old) < maxModels {
		all = maps.Clone(*old)
	}
	all[model] = now
	f.learnt.Store(&all)
}

func union(a, b []string) []string {
	sum := slices.Concat(a, b)
	slices.Sort(sum)
	return slices.Compact(sum)
}

// betas are the values of the anthropic-beta header.
func betas(h http.Header) []string {
	var list []string
	for _, line := range h["Anthropic-Beta"] {
		for beta := range strings.SplitSeq(line, ",") {
			if beta = strings.TrimSpace(beta); beta != "" {
				list = append(list, beta)
			}
		}
	}
	return list
}

// fieldsOf are the paths of the fields that go with a beta.
func (f *filter) fieldsOf(beta string) []string {
	return slices.Concat(f.known[feature(beta)], f.own[beta])
}

// feature is a beta's name without the date of its version.
func feature(beta string) string {
	const date = len("-2006-01-02")
	if at := len(beta) - date; at > 0 && strings.Trim(beta[at:], "-0123456789") == "" {
		return beta[:at]
	}
	return beta
}

// knownFields are the fields of the features that a request can do without and still mean the same. Those of others,
// such as mcp_servers, container or the schema of an answer, stay: a backend that does not know them should say so.
func knownFields() map[string][]string {
	return map[string][]string{
		"advanced-tool-use":           {"tools.*.defer_loading", "tools.*.input_examples", "tools.*.allowed_callers"},
		"cache-diagnosis":             {"diagnostics"},
		"context-management":          {"context_management"},
		"effort":                      {"output_config.effort"},
		"extended-cache-ttl":          cacheControl("ttl"),
		"fast-mode":                   {"speed"},
		"fine-grained-tool-streaming": {"tools.*.eager_input_streaming"},
		"prompt-caching-scope":        cacheControl("scope"),
		"server-side-fallback":        {"fallbacks"},
		"structured-outputs":          {"tools.*.strict"},
		"task-budgets":                {"output_config.task_budget"},
		"thinking-binding-controls":   {"thinking.block_binding"},
		"tool-examples":               {"tools.*.input_examples"},
		"tool-search-tool":            {"tools.*.defer_loading"},
	}
}

// cacheControl are the places where a field of cache_control can stand.
func cacheControl(field string) []string {
	return []string{
		"cache_control." + field, "system.*.cache_control." + field, "tools.*.cache_control." + field,
		"messages.*.content.*.cache_control." + field, "messages.*.content.*.content.*.cache_control." + field,
	}
}
