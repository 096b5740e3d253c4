package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// NewDrift registers the counts of what was wrong with the quota's store and has been put right, and answers what adds
// to them.
func NewDrift(reg prometheus.Registerer) func(d gateway.Drift) {
	windows := promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "gateway_quota_drift_windows_total", Help: "Windows of the quota that differed from the ledger and were put right.",
	})
	requests := promauto.With(reg).NewCounter(prometheus.CounterOpts{
		Name: "gateway_quota_drift_requests_total", Help: "Requests by which windows of the quota differed from the ledger, up or down.",
	})
	return func(d gateway.Drift) {
		windows.Inc()
		requests.Add(float64(d.Requests()))
	}
}
