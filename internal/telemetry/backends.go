package telemetry

import "github.com/prometheus/client_golang/prometheus"

// Backends is a gauge with a value for each backend there is when it is scraped.
type Backends struct {
	desc *prometheus.Desc
	list func() map[string]float64
}

// NewBackends registers the gauge. list answers the value of each backend, by name.
func NewBackends(reg prometheus.Registerer, name, help string, list func() map[string]float64) {
	reg.MustRegister(&Backends{desc: prometheus.NewDesc(name, help, []string{"backend"}, nil), list: list})
}

// Describe is the collector's.
func (b *Backends) Describe(to chan<- *prometheus.Desc) { to <- b.desc }

// Collect is the collector's.
func (b *Backends) Collect(to chan<- prometheus.Metric) {
	for name, value := range b.list() {
		to <- prometheus.MustNewConstMetric(b.desc, prometheus.GaugeValue, value, name)
	}
}
