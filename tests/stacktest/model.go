package stacktest

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
)

// Faults sets how the mock models behave from now on, on every mount; nil is the plain behaviour.
func (s *Stack) Faults(ctx context.Context, faults map[string]any) error {
	for mount := range s.Models {
		if err := s.MountFaults(ctx, mount, faults); err != nil {
			return err
		}
	}
	return nil
}

// MountFaults does so for one mount, such as "standby".
func (s *Stack) MountFaults(ctx context.Context, mount string, faults map[string]any) error {
	if faults == nil {
		faults = map[string]any{}
	}
	body, err := json.Marshal(faults)
	if err != nil {
		return err
	}
	return s.call(ctx, http.MethodPut, s.Models[mount]+"/mock/faults", body, nil)
}

// ModelStats is what a mock model counted.
type ModelStats struct {
	Total    int            `json:"total"`
	InFlight int            `json:"in_flight"`
	Paths    map[string]int `json:"paths"`
}

// Received counts what reached the mock models, on all mounts together.
func (s *Stack) Received(ctx context.Context) (ModelStats, error) {
	sum := ModelStats{Paths: map[string]int{}}
	for mount := range s.Models {
		one, err := s.MountStats(ctx, mount)
		if err != nil {
			return sum, err
		}
		sum.Total += one.Total
		sum.InFlight += one.InFlight
		for path, n := range one.Paths {
			sum.Paths[path] += n
		}
	}
	return sum, nil
}

// MountStats counts what reached one mount.
func (s *Stack) MountStats(ctx context.Context, mount string) (ModelStats, error) {
	var stats ModelStats
	return stats, s.call(ctx, http.MethodGet, s.Models[mount]+"/mock/stats", nil, &stats)
}

// MountItems tells how often each item of a batch of the mount's own arrived, by its name there.
func (s *Stack) MountItems(ctx context.Context, mount string) (map[string]int, error) {
	var items map[string]int
	return items, s.call(ctx, http.MethodGet, s.Models[mount]+"/mock/items", nil, &items)
}

// ModelRequest is a request as it reached a mock model, and what that answered.
type ModelRequest struct {
	Mount            string      `json:"-"`
	Method           string      `json:"method"`
	Path             string      `json:"path"`
	Query            string      `json:"query"`
	Headers          http.Header `json:"headers"`
	SHA256           string      `json:"sha256"`
	Size             int         `json:"size"`
	Body             string      `json:"body"` // of the newest requests only
	GatewayRequestID string      `json:"gateway_request_id"`
	CustomID         string      `json:"custom_id"` // of an item of a batch of the model's own; the gateway names it by its request
	Answer           ModelAnswer `json:"answer"`
}

// ModelAnswer is the status and the usage, in tokens, that a mock model told.
type ModelAnswer struct {
	Status     int `json:"status"`
	Input      int `json:"input_tokens"`
	CacheWrite int `json:"cache_creation_input_tokens"`
	CacheRead  int `json:"cache_read_input_tokens"`
	Output     int `json:"output_tokens"`
}

// ModelRequests lists the requests that reached the mock models, as far back as they remember (10,000 each).
func (s *Stack) ModelRequests(ctx context.Context) ([]ModelRequest, error) {
	var all []ModelRequest
	for mount := range s.Models {
		some, err := s.MountRequests(ctx, mount, "")
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return all, nil
}

// MountRequests lists those of one mount; with the id of a request of the gateway only what was sent for it.
func (s *Stack) MountRequests(ctx context.Context, mount, id string) ([]ModelRequest, error) {
	var list []ModelRequest
	if err := s.call(ctx, http.MethodGet, s.Models[mount]+"/mock/requests?id="+url.QueryEscape(id), nil, &list); err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Mount = mount
	}
	return list, nil
}

// Mint has the issuer sign a token with any claims.
func (s *Stack) Mint(ctx context.Context, claims map[string]any, into any) error {
	body, err := json.Marshal(map[string]any{"claims": claims})
	if err != nil {
		return err
	}
	return s.call(ctx, http.MethodPost, s.Issuer+"/mint", body, into)
}
