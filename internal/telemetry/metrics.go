// Package telemetry is what the gateway measures of itself.
package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Requests are the metrics of the request path. Label values are bounded: tiers are configured, families are known
// ones or "other", users are not labels.
type Requests struct {
	requests  *prometheus.CounterVec
	outcomes  *prometheus.CounterVec
	routes    *prometheus.CounterVec
	attempts  *prometheus.CounterVec
	cost      *prometheus.CounterVec
	refusals  *prometheus.CounterVec
	refunds   *prometheus.CounterVec
	aborts    *prometheus.CounterVec
	tokens    *prometheus.CounterVec
	duration  *prometheus.HistogramVec
	firstByte *prometheus.HistogramVec
}

// NewRegistry returns a registry with what Go and the operating system tell of a process.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// Seconds are the buckets of a request's life: from our own refusal to an answer of half an hour.
func Seconds() []float64 {
	return []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800}
}

// NewRequests registers the metrics.
func NewRequests(reg prometheus.Registerer) *Requests {
	f := promauto.With(reg)
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return f.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return f.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: Seconds()}, labels)
	}
	return &Requests{
		requests:  counter("gateway_requests_total", "Requests admitted.", "tier"),
		outcomes:  counter("gateway_outcomes_total", "Requests ended, by how.", "tier", "status"),
		routes:    counter("gateway_model_routes_total", "Requests by the model family asked for and the one that answered.", "from", "to"),
		attempts:  counter("gateway_attempts_total", "Requests sent to backends, by what came of it.", "backend", "result"),
		cost:      counter("gateway_cost_total", "What answers cost by the price list, in its currency.", "backend"),
		refusals:  counter("gateway_refusals_total", "Requests refused before anything was sent, by why.", "reason"),
		refunds:   counter("gateway_refunds_total", "Requests that were not charged, by why.", "reason"),
		aborts:    counter("gateway_stream_aborts_total", "Streams that broke off, by who broke them.", "by"),
		tokens:    counter("gateway_tokens_total", "Tokens, as backends counted them.", "backend", "kind"),
		duration:  histogram("gateway_request_duration_seconds", "From admission to the last byte.", "status"),
		firstByte: histogram("gateway_time_to_first_byte_seconds", "From admission to the backend's first byte.", "backend"),
	}
}

// Admitted counts a request that is about to be sent.
func (m *Requests) Admitted(in *gateway.Intent) {
	m.requests.WithLabelValues(string(in.Principal.Tier)).Inc()
	m.routes.WithLabelValues(knownFamily(in.ModelRequested), knownFamily(in.Target.Model)).Inc()
}

// Attempted counts what came of sending a request to a backend.
func (m *Requests) Attempted(backend, result string) {
	m.attempts.WithLabelValues(backend, result).Inc()
}

// Refused counts a request that was not admitted.
func (m *Requests) Refused(code gateway.Code) { m.refusals.WithLabelValues(string(code)).Inc() }

// Ended counts a request's end.
func (m *Requests) Ended(in *gateway.Intent, out *gateway.Outcome) {
	status := string(out.Status)
	m.outcomes.WithLabelValues(string(in.Principal.Tier), status).Inc()
	m.duration.WithLabelValues(status).Observe(since(in.AdmittedAt, out.EndedAt))
	if !out.FirstByteAt.IsZero() {
		m.firstByte.WithLabelValues(out.Target.Backend).Observe(since(in.AdmittedAt, out.FirstByteAt))
	}
	switch {
	case in.Charge.Requests > 0 && out.Charge.Requests == 0:
		m.refunds.WithLabelValues(status).Inc()
	case in.Stream && out.Status == gateway.Cancelled:
		m.aborts.WithLabelValues("client").Inc()
	case in.Stream && out.Status == gateway.Failed:
		m.aborts.WithLabelValues("backend").Inc()
	}
	for kind, n := range map[string]int64{
		"input": out.Usage.Input, "output": out.Usage.Output, "cache_read": out.Usage.CacheRead, "cache_write": out.Usage.CacheWrite,
	} {
		if n > 0 {
			m.tokens.WithLabelValues(out.Target.Backend, kind).Add(float64(n))
		}
	}
	m.cost.WithLabelValues(out.Target.Backend).Add(out.Cost.Units())
}

func since(from, to time.Time) float64 { return to.Sub(from).Seconds() }

// knownFamily keeps a label's values few: a client may ask for any name it likes.
func knownFamily(model string) string {
	switch family := gateway.ParseModel(model).Family; family {
	case "opus", "sonnet", "haiku", "fable", "claude", "gpt", "internal":
		return family
	}
	return "other"
}

// Gauge registers a value that is asked for when it is scraped.
func Gauge(reg prometheus.Registerer, name, help string, value func() float64) {
	promauto.With(reg).NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value)
}
