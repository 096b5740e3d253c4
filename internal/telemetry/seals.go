package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/openova-io/llm-gateway/internal/seal"
)

// Seals are the metrics of the ledger's seals, of those that this worker made.
type Seals struct {
	total, rows   prometheus.Counter
	gone          prometheus.Counter
	waiting, last prometheus.Gauge
}

// NewSeals registers the metrics.
func NewSeals(reg prometheus.Registerer) *Seals {
	f := promauto.With(reg)
	return &Seals{
		total:   f.NewCounter(prometheus.CounterOpts{Name: "gateway_seals_total", Help: "Seals that were made."}),
		rows:    f.NewCounter(prometheus.CounterOpts{Name: "gateway_sealed_rows_total", Help: "Rows of the ledger that were sealed."}),
		gone:    f.NewCounter(prometheus.CounterOpts{Name: "gateway_seal_missing_rows_total", Help: "Rows of the ledger that were gone when they were to be sealed: somebody deleted them."}),
		waiting: f.NewGauge(prometheus.GaugeOpts{Name: "gateway_ledger_unsealed_rows", Help: "Rows of the ledger that waited for a seal when this worker last looked."}),
		last:    f.NewGauge(prometheus.GaugeOpts{Name: "gateway_seal_last_timestamp_seconds", Help: "When this worker last looked for rows to seal, and sealed what it found."}),
	}
}

// Waiting notes how many rows wait.
func (m *Seals) Waiting(rows int64) { m.waiting.Set(float64(rows)) }

// Looked notes that all went well.
func (m *Seals) Looked(at time.Time) { m.last.Set(float64(at.Unix())) }

// Made counts a seal.
func (m *Seals) Made(s *seal.Seal) {
	m.total.Inc()
	m.rows.Add(float64(s.Rows))
	m.gone.Add(float64(s.Gone))
}
