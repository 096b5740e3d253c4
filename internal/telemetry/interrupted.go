package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// NewInterrupted registers the count of requests that were closed because their frontend died, and answers what adds
// to it.
func NewInterrupted(reg prometheus.Registerer) func(n int64) {
	total := promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "gateway_interrupted_total", Help: "Requests that were closed because their frontend died.",
	})
	return func(n int64) { total.Add(float64(n)) }
}
