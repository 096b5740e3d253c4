package relay

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// What is started, as a label.
const (
	kindRequest = "request" // a request that has ended
	kindRunning = "running" // a request that runs for long
	kindSignal  = "signal"  // the end of such a request
	kindBacklog = "backlog" // many requests
	kindBatch   = "batch"   // a batch of requests that are to be made
	kindCancel  = "cancel"  // the owner's wish that such a batch stops
)

type metrics struct {
	pending prometheus.Gauge
	oldest  prometheus.Gauge
	leading prometheus.Gauge
	unended prometheus.Gauge
	starts  *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	gauge := func(name, help string) prometheus.Gauge {
		return f.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	return &metrics{
		pending: gauge("gateway_outbox_pending", "Requests that have ended and are not in the ledger yet. Only the leading relay counts."),
		oldest:  gauge("gateway_outbox_oldest_seconds", "How long the oldest of them has waited."),
		leading: gauge("gateway_relay_leading", "1 if this worker's relay leads."),
		unended: gauge("gateway_batches_unended", "Batches that have not ended. Only the leading relay counts."),
		starts: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_workflow_starts_total",
			Help: "Workflows started or signalled, by kind (request, running, signal, backlog, batch, cancel) and result (ok, exists, refused, error).",
		}, []string{"kind", "result"}),
	}
}

func (m *metrics) count(kind string, err error) {
	result := "error"
	switch {
	case err == nil:
		result = "ok"
	case isStarted(err):
		result = "exists"
	case isRefused(err):
		result = "refused"
	}
	m.starts.WithLabelValues(kind, result).Inc()
}

// forget is for a relay that leads no more: what it measured is for the next one to tell.
func (m *metrics) forget() {
	m.leading.Set(0)
	m.pending.Set(0)
	m.oldest.Set(0)
	m.unended.Set(0)
}
