package app

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openova-io/llm-gateway/internal/record"
	"github.com/openova-io/llm-gateway/internal/spool"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

// spoolLook is how often a process that leaves looks whether its spool is empty.
const spoolLook = 100 * time.Millisecond

// awaitSpool gives the database time to take what the spool holds, and answers how many records stay. What stays is
// lost where the directory goes with the process; its requests are then closed as interrupted.
func awaitSpool(ctx context.Context, s *spool.Spool, wait time.Duration, log *slog.Logger) int64 {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	left, _ := s.Size()
	if left > 0 && wait > 0 {
		log.Info("the database has not taken the spool yet", "records", left, "wait", wait)
	}
	for left > 0 && ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-time.After(spoolLook):
		}
		left, _ = s.Size()
	}
	if left > 0 {
		log.Warn("records stay in the spool: keep its directory for the next start", "records", left)
	}
	return left
}

func spoolCheck(s *spool.Spool) func(context.Context) error {
	return func(context.Context) error {
		if s.Full() {
			return errors.New("the spool is full: new requests are refused until the database takes what is in it")
		}
		return nil
	}
}

func auditGauges(reg prometheus.Registerer, r *record.Recorder, s *spool.Spool) {
	telemetry.Gauge(reg, "gateway_audit_queue", "Records that wait for a commit.", func() float64 { return float64(r.Waiting()) })
	telemetry.Gauge(reg, "gateway_spool_bytes", "Bytes in the local spool.", func() float64 { _, b := s.Size(); return float64(b) })
	telemetry.Gauge(reg, "gateway_spool_records", "Records in the local spool.", func() float64 { n, _ := s.Size(); return float64(n) })
}
