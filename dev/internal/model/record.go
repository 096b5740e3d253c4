package model

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"sync"
	"time"
)

// Stats counts requests. A request is in exactly one of the last four.
type Stats struct {
	Total         int            `json:"total"`
	Completed     int            `json:"completed"`      // answered to the end
	Faulted       int            `json:"faulted"`        // a switch or a refusal ended it
	ClientAborted int            `json:"client_aborted"` // the client left before the end
	InFlight      int            `json:"in_flight"`
	MaxInFlight   int            `json:"max_in_flight"`
	Paths         map[string]int `json:"paths"`
}

// Record is one request as it arrived.
type Record struct {
	Number           int         `json:"number"` // counts from 1
	At               time.Time   `json:"at"`     // when its body had arrived
	Method           string      `json:"method"`
	Path             string      `json:"path"`
	Query            string      `json:"query,omitempty"`
	Headers          http.Header `json:"headers"`
	SHA256           string      `json:"sha256"`         // of the body, hexadecimal
	Size             int         `json:"size"`           // of the body, bytes
	Body             string      `json:"body,omitempty"` // of the newest requests
	GatewayRequestID string      `json:"gateway_request_id,omitempty"`
	Batch            string      `json:"batch,omitempty"`     // that it was an item of, and its name there
	CustomID         string      `json:"custom_id,omitempty"` // whose path is the one it would have had alone
	Answer           Answer      `json:"answer"`
}

// Answer is what a request was told, in the provider's own words. It is known
// before the first byte of it is sent.
type Answer struct {
	Status     int `json:"status,omitempty"` // 0 until then
	Input      int `json:"input_tokens"`     // without those of the cache
	CacheWrite int `json:"cache_creation_input_tokens"`
	CacheRead  int `json:"cache_read_input_tokens"`
	Output     int `json:"output_tokens"`
}

// keptBodies is how many of the newest requests are remembered with their body,
// if that has no more bytes than keptBody.
const (
	keptBodies = 100
	keptBody   = 4 << 20
)

// outcome is how the handling of a request ended.
type outcome int

const (
	completed outcome = iota
	faulted
	clientAborted
)

// recorder keeps the statistics and a bounded number of records.
type recorder struct {
	mu    sync.Mutex
	stats Stats
	items map[string]int // how often each item of a batch arrived, by custom_id
	ring  []*stored
	limit int // of ring; 0 keeps no records
	seen  int // records ever added
	epoch int // changes with every reset
}

// stored is a record before its presentation, which most are never asked for.
type stored struct {
	method, path, query string
	header              http.Header
	item                item
	at                  time.Time
	sum                 [sha256.Size]byte
	size                int
	body                []byte // nil once there are enough newer ones
	answer              Answer
}

func newRecorder(limit int) *recorder {
	return &recorder{limit: limit, stats: Stats{Paths: map[string]int{}}, items: map[string]int{}}
}

// begin counts a request and returns what counts its end.
func (r *recorder) begin(path string) func(outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	epoch := r.epoch
	r.stats.Total++
	r.stats.Paths[path]++
	r.stats.InFlight++
	r.stats.MaxInFlight = max(r.stats.MaxInFlight, r.stats.InFlight)
	return func(o outcome) { r.end(epoch, o) }
}

func (r *recorder) end(epoch int, o outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats.InFlight--
	if epoch != r.epoch {
		return // it began before the reset, so it is in no total
	}
	switch o {
	case completed:
		r.stats.Completed++
	case faulted:
		r.stats.Faulted++
	case clientAborted:
		r.stats.ClientAborted++
	}
}

// add keeps a record of a request and returns what notes the answer in it.
func (r *recorder) add(request *http.Request, of item, sum [sha256.Size]byte, body []byte) func(status int, u usage) {
	// Not the request itself: that would keep its connection in memory.
	entry := &stored{
		method: request.Method, path: request.URL.Path, query: request.URL.RawQuery, header: request.Header,
		item: of, at: time.Now(), sum: sum, size: len(body), body: body,
	}
	if len(body) > keptBody {
		entry.body = nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if of.batch != "" {
		r.items[of.customID]++
	}
	r.seen++
	switch {
	case r.limit == 0:
		return func(int, usage) {}
	case len(r.ring) < r.limit:
		r.ring = append(r.ring, entry)
	default:
		r.ring[(r.seen-1)%r.limit] = entry
	}
	if old := r.seen - 1 - keptBodies; old >= 0 && r.limit > keptBodies {
		r.ring[old%r.limit].body = nil
	}
	return func(status int, u usage) {
		r.mu.Lock()
		defer r.mu.Unlock()
		entry.answer = Answer{
			Status: status, Input: u.input, CacheWrite: u.cacheCreation, CacheRead: u.cacheRead, Output: u.output,
		}
	}
}

// inFlight is how many requests are being answered.
func (r *recorder) inFlight() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats.InFlight
}

// reached tells how often each item of a batch arrived, by custom_id.
func (r *recorder) reached() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.items)
}

// snapshot returns the statistics.
func (r *recorder) snapshot() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	stats := r.stats
	stats.Paths = maps.Clone(r.stats.Paths)
	return stats
}

// last returns the newest n records, oldest first; n < 0 means all that are
// kept. With a gateway's request id it returns only those of that request; an item
// of a batch has it for its name.
func (r *recorder) last(n int, gatewayRequest string) []Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n < 0 || n > len(r.ring) {
		n = len(r.ring)
	}
	records := make([]Record, 0, n)
	for number := r.seen - n + 1; number <= r.seen; number++ {
		entry := r.ring[(number-1)%r.limit]
		if gatewayRequest == "" || entry.gatewayRequest() == gatewayRequest || entry.item.customID == gatewayRequest {
			records = append(records, entry.record(number))
		}
	}
	return records
}

func (s *stored) gatewayRequest() string { return s.header.Get("x-gateway-request-id") }

func (s *stored) record(number int) Record {
	return Record{
		Number: number, At: s.at,
		Method: s.method, Path: s.path, Query: s.query, Headers: s.header,
		SHA256: hex.EncodeToString(s.sum[:]), Size: s.size,
		Body: string(s.body), GatewayRequestID: s.gatewayRequest(), Batch: s.item.batch, CustomID: s.item.customID, Answer: s.answer,
	}
}

// reset forgets everything except the requests in flight.
func (r *recorder) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stats = Stats{Paths: map[string]int{}, InFlight: r.stats.InFlight, MaxInFlight: r.stats.InFlight}
	r.items = map[string]int{}
	r.ring, r.seen = nil, 0
	r.epoch++
}
