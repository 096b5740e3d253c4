package adapter

import (
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/openova-io/llm-gateway/internal/anthropic"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

// statusLeft says in the metrics that the client did not wait for the answer.
const statusLeft = 499

// metrics are what the adapter measures of itself. Label values are few: paths are those it serves, or "other".
type metrics struct {
	requests        *prometheus.CounterVec
	duration        *prometheus.HistogramVec
	backendErrors   *prometheus.CounterVec
	streams         *prometheus.HistogramVec
	modelMapRefused prometheus.Gauge
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	seconds := telemetry.Seconds()
	return &metrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "adapter_requests_total", Help: "Requests, by path and by the status they were answered with; 499 if the client had left.",
		}, []string{"path", "status"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "adapter_request_duration_seconds", Help: "From a request's header to the last byte of its answer.", Buckets: seconds,
		}, []string{"path"}),
		backendErrors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "adapter_backend_errors_total", Help: "Answers that the backend refused, broke off or never began, by why.",
		}, []string{"reason"}),
		streams: f.NewHistogramVec(prometheus.HistogramOpts{
			Name: "adapter_stream_duration_seconds", Help: "From the beginning of a streamed answer to its end, by how it ended.", Buckets: seconds,
		}, []string{"path", "end"}),
		modelMapRefused: f.NewGauge(prometheus.GaugeOpts{
			Name: "adapter_model_map_refused", Help: "1 while the file with the models cannot be used and an older one is in force.",
		}),
	}
}

// observe gives a request its id, which every answer carries, and measures it.
func (a *Adapter) observe(path string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		id := uuid.NewString()
		w.Header()["Request-Id"], w.Header()["X-Request-Id"] = []string{id}, []string{id}
		watched := &answered{ResponseWriter: w, status: http.StatusOK}
		next(watched, r)
		a.metrics.requests.WithLabelValues(path, statusLabel(watched.status)).Inc()
		a.metrics.duration.WithLabelValues(path).Observe(time.Since(start).Seconds())
	}
}

// statusLabel keeps a label's values few: a backend may answer with any number it likes.
func statusLabel(status int) string {
	if http.StatusText(status) != "" || status == statusLeft || status == anthropic.StatusOverloaded {
		return strconv.Itoa(status)
	}
	return "other"
}

// answered remembers the status of an answer.
type answered struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (w *answered) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets an http.ResponseController reach the connection.
func (w *answered) Unwrap() http.ResponseWriter { return w.ResponseWriter }
