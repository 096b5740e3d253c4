package telemetry

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/openova-io/llm-gateway/internal/gateway"
)

// Items counts the items of batches.
type Items struct{ ended *prometheus.CounterVec }

// NewItems registers the metric.
func NewItems(reg prometheus.Registerer) *Items {
	return &Items{promauto.With(reg).NewCounterVec(
		prometheus.CounterOpts{Name: "gateway_batch_items_total", Help: "Items of batches that ran, by how they ended."}, []string{"state"})}
}

// ItemEnded counts an item that ran.
func (m *Items) ItemEnded(state gateway.ItemState) { m.ended.WithLabelValues(string(state)).Inc() }
