package app

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openova-io/llm-gateway/activities"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/seal"
	"github.com/openova-io/llm-gateway/internal/telemetry"
)

// newSeals is what makes the ledger's seals. The log has the hash of each: whoever keeps it elsewhere can tell whether the
// chain was made anew.
func newSeals(db *postgres.DB, keyFile string, registry prometheus.Registerer, log *slog.Logger) *activities.Seals {
	metrics := telemetry.NewSeals(registry)
	s := &activities.Seals{Ledger: db, OnWaiting: metrics.Waiting, OnSeal: func(made seal.Seal) {
		metrics.Looked(time.Now())
		if made.N > 0 {
			metrics.Made(&made)
			log.Info("ledger sealed", "seal", made.N, "hash", made.Hash.String(), "rows", made.Rows, "missing", made.Gone, "key", made.Key)
		}
	}}
	if keyFile != "" {
		s.Sign = func(made *seal.Seal) error { return sign(made, keyFile) }
	}
	return s
}

// sign signs a seal with the key in the file, which may have been replaced since the seal before.
func sign(made *seal.Seal, keyFile string) error {
	text, err := os.ReadFile(keyFile)
	if err != nil {
		return fmt.Errorf("audit.seal_key_file: %w", err)
	}
	key, err := seal.ParsePrivateKey(text)
	if err != nil {
		return fmt.Errorf("audit.seal_key_file: %s: %w", keyFile, err)
	}
	made.Sign(key)
	return nil
}
