package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Reloads are the metrics of configurations loaded while the process runs.
type Reloads struct {
	total   *prometheus.CounterVec
	refused prometheus.Gauge
}

// NewReloads registers the metrics.
func NewReloads(reg prometheus.Registerer) *Reloads {
	f := promauto.With(reg)
	return &Reloads{
		total: f.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_config_reloads_total", Help: "Changed configurations, by whether they were applied or refused.",
		}, []string{"result"}),
		refused: f.NewGauge(prometheus.GaugeOpts{
			Name: "gateway_config_refused", Help: "1 while the configuration file is one that was refused, and an older one is in force.",
		}),
	}
}

// Applied counts a configuration that is in force now.
func (r *Reloads) Applied() {
	r.total.WithLabelValues("applied").Inc()
	r.Current()
}

// Current notes that the file is what is in force.
func (r *Reloads) Current() { r.refused.Set(0) }

// Refused counts a configuration that was refused.
func (r *Reloads) Refused() {
	r.total.WithLabelValues("refused").Inc()
	r.refused.Set(1)
}
