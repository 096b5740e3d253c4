package httpapi

import (
	"bytes"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/openova-io/llm-gateway/docs"
	"github.com/openova-io/llm-gateway/internal/gateway"
)

// The document is embedded by what is under test, so it is read from there.
func openAPIDocument(t *testing.T) (*openapi3.T, routers.Router) {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(docs.OpenAPI)
	if err == nil {
		err = doc.Validate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return doc, router
}

// The paths that the publishers of the dialects describe, and those by which their clients try a base URL.
func dialects() []string {
	return []string{
		"HEAD /", "HEAD /api/hello",
		"POST /v1/messages", "POST /v1/messages/count_tokens", "GET /v1/models", "GET /v1/models/{id}",
		"POST /v1/messages/batches", "GET /v1/messages/batches", "GET /v1/messages/batches/{id}", "POST /v1/messages/batches/{id}/cancel",
		"GET /v1/messages/batches/{id}/results", "DELETE /v1/messages/batches/{id}",
		"POST /v1/chat/completions", "POST /v1/responses", "POST /v1/embeddings",
		"POST /v1/files", "GET /v1/files", "GET /v1/files/{id}", "GET /v1/files/{id}/content", "DELETE /v1/files/{id}",
		"POST /v1/batches", "GET /v1/batches", "GET /v1/batches/{id}", "POST /v1/batches/{id}/cancel",
	}
}

func TestEveryPathIsDescribedAndEveryDescribedPathIsThere(t *testing.T) {
	w := newWorld(t, nil)
	var there, described []string
	parameter := regexp.MustCompile(`[:*](\w+)`)
	for _, route := range w.api.engine().Routes() {
		there = append(there, route.Method+" "+parameter.ReplaceAllString(route.Path, "{$1}"))
	}
	doc, _ := openAPIDocument(t)
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	described = append(described, dialects()...)
	slices.Sort(there)
	slices.Sort(described)
	for _, route := range there {
		if !slices.Contains(described, route) {
			t.Errorf("%s is not in docs/openapi.yaml", route)
		}
	}
	for _, route := range described {
		if !slices.Contains(there, route) {
			t.Errorf("%s is described, and not there", route)
		}
	}
}

func TestAnswersAreAsDescribed(t *testing.T) {
	w := newRecordWorld(t)
	_, router := openAPIDocument(t)
	response := answer
	id, batch := w.request("pro", question, &response), w.made("item-0", "item-1")
	running := w.request("pro", question, nil)
	again := w.request("pro", question, &response, func(_ *gateway.Intent, out *gateway.Outcome) {
		out.Status, out.HTTPStatus, out.Error, out.Attempts = gateway.Failed, 529, "overloaded", 2
	})
	ended := w.made("item-0")
	w.run(ended, gateway.ItemErrored)
	if _, err := w.worker.Seal(t.Context(), 100, nil); err != nil {
		t.Fatal(err)
	}

	for _, test := range []struct {
		who, request string
		status       int
	}{
		{"", "GET /health", 200},
		{"", "GET /ready", 200},
		{"", "GET /openapi.yaml", 200},
		{"", "GET /.well-known/oauth-protected-resource", 200},
		{"free", "GET /quota", 200},
		{"pro", "GET /quota", 200},
		{"enterprise", "GET /quota", 200},
		{"", "GET /quota", 401},
		{"unknown", "GET /quota", 403},
		{"enterprise", "GET /batches", 200},
		{"enterprise", "GET /batches?limit=x", 400},
		{"enterprise", "GET /batches/" + batch, 200},
		{"pro", "GET /batches/" + batch, 404},
		{"enterprise", "GET /batches/" + ended + "/results", 200},
		{"enterprise", "GET /batches/" + batch + "/results", 400},
		{"enterprise", "POST /batches/" + batch + "/cancel", 200},
		{"enterprise", "POST /batches/" + ended + "/cancel", 409},
		{"enterprise", "GET /batches/" + ended, 200},
		{"enterprise", "POST /batches/submissions", 404},
		{"pro", "GET /api/requests", 200},
		{"auditor", "GET /api/requests?limit=1", 200},
		{"auditor", "GET /api/requests?from=2026-13-01", 400},
		{"pro", "GET /api/requests?user=u-free", 403},
		{"", "GET /api/requests", 401},
		{"auditor", "GET /api/requests/" + id + "/request?reason=case+7", 200},
		{"auditor", "GET /api/requests/" + id + "/response", 200},
		{"auditor", "GET /api/requests/" + running + "/response", 404},
		{"pro", "GET /api/requests/" + id, 200},
		{"pro", "GET /api/requests/" + running, 200},
		{"pro", "GET /api/requests/" + again, 200},
		{"free", "GET /api/requests/" + id, 404},
		{"auditor", "GET /api/reads", 200},
		{"auditor", "GET /api/reads?limit=1", 200},
		{"pro", "GET /api/reads", 403},
		{"auditor", "GET /api/audit/seals", 200},
		{"auditor", "GET /api/audit/export?from=2026-11-20", 200},
		{"pro", "GET /api/audit/export", 403},
		{"pro", "GET /api/doctor", 200},
		{"pro", "GET /api/doctor/stream", 200},
		{"", "GET /api/doctor", 401},
	} {
		t.Run(test.who+" "+test.request, func(t *testing.T) {
			method, path, _ := strings.Cut(test.request, " ")
			req := w.world.request(method, path, "", as(test.who)...)
			res := w.do(req)
			text, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != test.status {
				t.Fatalf("%d %.300s %v, want %d", res.StatusCode, text, err, test.status)
			}
			checkAnswer(t, router, req, res, text)
		})
	}
}

// checkAnswer holds an answer, and the request if it went well, against the document.
func checkAnswer(t *testing.T, router routers.Router, req *http.Request, res *http.Response, text []byte) {
	t.Helper()
	req.URL.Scheme, req.URL.Host, req.Host = "", "", ""
	route, parameters, err := router.FindRoute(req)
	if err != nil {
		t.Fatal(err)
	}
	options := &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true}
	input := &openapi3filter.RequestValidationInput{Request: req, PathParams: parameters, Route: route, Options: options}
	if res.StatusCode < 300 {
		if err := openapi3filter.ValidateRequest(t.Context(), input); err != nil {
			t.Errorf("the request: %v", err)
		}
	}
	kind, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
	if response := route.Operation.Responses.Status(res.StatusCode); response != nil && len(response.Value.Content) > 0 && response.Value.Content[kind] == nil {
		t.Errorf("the type %q is not described", kind)
	}
	if kind != "application/json" {
		return // the rest are bytes
	}
	answer := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: res.StatusCode, Header: res.Header, Body: io.NopCloser(bytes.NewReader(text)), Options: options,
	}
	if err := openapi3filter.ValidateResponse(t.Context(), answer); err != nil {
		t.Errorf("the answer %s: %v", text, err)
	}
}
