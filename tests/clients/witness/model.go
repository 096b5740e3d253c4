package witness

import (
	"net/http"
	"testing"
	"time"
)

// Counts is how many requests each path of the mock models has seen, both models together.
type Counts struct {
	Messages    int
	CountTokens int
}

// Watch forgets what the mock models have seen and returns what counts what they see from now on.
func (s *Stack) Watch(t *testing.T) func() Counts {
	t.Helper()
	for _, model := range s.models() {
		s.call(t, http.MethodDelete, model+"/mock/stats", nil, nil)
	}
	return func() Counts {
		t.Helper()
		var sum Counts
		for _, model := range s.models() {
			var stats struct {
				Paths map[string]int `json:"paths"`
			}
			s.call(t, http.MethodGet, model+"/mock/stats", nil, &stats)
			for path, n := range stats.Paths {
				switch path {
				case "/v1/messages":
					sum.Messages += n
				case "/v1/messages/count_tokens":
					sum.CountTokens += n
				default:
					t.Errorf("%s was asked for %s, %d times", model, path, n)
				}
			}
		}
		return sum
	}
}

// Fault makes the model of the anthropic backend misbehave until the end of the test.
func (s *Stack) Fault(t *testing.T, switches map[string]any) {
	t.Helper()
	s.call(t, http.MethodPut, s.Model+"/mock/faults", switches, nil)
	t.Cleanup(func() { s.call(t, http.MethodDelete, s.Model+"/mock/faults", nil, nil) })
}

// FaultOnce makes it misbehave for one request only. The answer to that one has to last a while.
func (s *Stack) FaultOnce(t *testing.T, switches map[string]any) {
	t.Helper()
	s.call(t, http.MethodDelete, s.Model+"/mock/stats", nil, nil)
	s.Fault(t, switches)
	ended, stop := make(chan error, 1), make(chan struct{})
	go func() { ended <- s.mend(stop) }()
	t.Cleanup(func() {
		close(stop)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

// mend takes the faults back as soon as a request has been struck by them.
func (s *Stack) mend(stop <-chan struct{}) error {
	for {
		var stats struct {
			Total int `json:"total"`
		}
		if err := send(http.MethodGet, s.Model+"/mock/stats", nil, &stats); err != nil {
			return err
		}
		if stats.Total > 0 {
			time.Sleep(20 * time.Millisecond) // a request is counted before it is struck
			return send(http.MethodDelete, s.Model+"/mock/faults", nil, nil)
		}
		select {
		case <-stop:
			return nil
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func (s *Stack) models() []string { return []string{s.Model, s.InternalModel} }
