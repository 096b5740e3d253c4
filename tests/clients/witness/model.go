package witness

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

// Counts is how many requests each path of the mock models has seen, all models together.
type Counts struct {
	Messages    int
	CountTokens int
	Chat        int
}

// Watch forgets what the mock models have seen and returns what counts what they see from now on.
func (s *Stack) Watch(t *testing.T) func() Counts {
	t.Helper()
	s.Forget(t)
	return func() Counts {
		t.Helper()
		var sum Counts
		seen := map[string]*int{
			"/v1/messages": &sum.Messages, "/v1/messages/count_tokens": &sum.CountTokens,
			"/v1/chat/completions": &sum.Chat,
		}
		for _, model := range s.Models {
			var stats struct {
				Paths map[string]int `json:"paths"`
			}
			s.call(t, http.MethodGet, model+"/mock/stats", nil, &stats)
			for path, n := range stats.Paths {
				if seen[path] == nil {
					t.Errorf("%s was asked for %s, %d times", model, path, n)
					continue
				}
				*seen[path] += n
			}
		}
		return sum
	}
}

// Forget lets the mock models forget what they have seen: counts, and requests with their bodies.
func (s *Stack) Forget(t *testing.T) {
	t.Helper()
	for _, model := range s.Models {
		s.call(t, http.MethodDelete, model+"/mock/stats", nil, nil)
	}
}

// recent is how many of the newest requests of each mock model are looked through for one.
const recent = 50

// Reached lists where a request that was answered a moment ago reached a mock model, as in "anthropic /v1/messages".
func (s *Stack) Reached(t *testing.T, id string) []string {
	t.Helper()
	var reached []string
	for name, model := range s.Models {
		var records []struct {
			ID   string `json:"gateway_request_id"`
			Path string `json:"path"`
		}
		s.call(t, http.MethodGet, fmt.Sprintf("%s/mock/requests?last=%d", model, recent), nil, &records)
		for _, r := range records {
			if r.ID == id {
				reached = append(reached, name+" "+r.Path)
			}
		}
	}
	return reached
}

// Requests are the header fields of what a backend's model has seen since the last Watch.
func (s *Stack) Requests(t *testing.T, backend string) []http.Header {
	t.Helper()
	var records []struct {
		Headers http.Header `json:"headers"`
	}
	s.call(t, http.MethodGet, s.Models[backend]+"/mock/requests", nil, &records)
	headers := make([]http.Header, len(records))
	for i, record := range records {
		headers[i] = record.Headers
	}
	return headers
}

// Fault makes the model of a backend misbehave until the end of the test.
func (s *Stack) Fault(t *testing.T, backend string, switches map[string]any) {
	t.Helper()
	s.call(t, http.MethodPut, s.Models[backend]+"/mock/faults", switches, nil)
	t.Cleanup(func() { s.call(t, http.MethodDelete, s.Models[backend]+"/mock/faults", nil, nil) })
}

// FaultOnce makes it misbehave for one request only. The answer to that one has to last a while.
func (s *Stack) FaultOnce(t *testing.T, backend string, switches map[string]any) {
	t.Helper()
	model := s.Models[backend]
	s.call(t, http.MethodDelete, model+"/mock/stats", nil, nil)
	s.Fault(t, backend, switches)
	ended, stop := make(chan error, 1), make(chan struct{})
	go func() { ended <- mend(model, stop) }()
	t.Cleanup(func() {
		close(stop)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// mend takes the faults back as soon as a request has been struck by them.
func mend(model string, stop <-chan struct{}) error {
	for {
		var stats struct {
			Total int `json:"total"`
		}
		if err := send(http.MethodGet, model+"/mock/stats", nil, &stats); err != nil {
			return err
		}
		if stats.Total > 0 {
			time.Sleep(20 * time.Millisecond) // a request is counted before it is struck
			return send(http.MethodDelete, model+"/mock/faults", nil, nil)
		}
		select {
		case <-stop:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
}
