package temporal

import (
	"encoding/json"
	"fmt"
	"os"
)

// Settings is all the server process has to know; its parent writes it to a file.
type Settings struct {
	// GRPCPort is where clients connect; the other three services are internal.
	GRPCPort     int `json:"grpc_port"`
	HistoryPort  int `json:"history_port"`
	MatchingPort int `json:"matching_port"`
	WorkerPort   int `json:"worker_port"`
	UIPort       int `json:"ui_port"`
	MetricsPort  int `json:"metrics_port"`

	// Shards is fixed for the life of the database.
	Shards int32 `json:"shards"`
	// Namespace is the one the Web UI opens with. The server does not create it.
	Namespace string `json:"namespace"`

	Postgres Postgres `json:"postgres"`
}

// Postgres is where the server keeps its state.
type Postgres struct {
	Addr               string `json:"addr"`
	User               string `json:"user"`
	Password           string `json:"password"`
	Database           string `json:"database"`
	VisibilityDatabase string `json:"visibility_database"`
}

// WriteFile stores the settings for [ReadSettings].
func (s Settings) WriteFile(path string) error {
	content, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the settings of temporal: %w", err)
	}
	if err := os.WriteFile(path, append(content, '\n'), 0o600); err != nil {
		return fmt.Errorf("write the settings of temporal: %w", err)
	}
	return nil
}

// ReadSettings reads what WriteFile wrote.
func ReadSettings(path string) (Settings, error) {
	var s Settings
	content, err := os.ReadFile(path)
	if err != nil {
		return s, fmt.Errorf("read the settings of temporal: %w", err)
	}
	if err := json.Unmarshal(content, &s); err != nil {
		return s, fmt.Errorf("read the settings of temporal in %s: %w", path, err)
	}
	return s, nil
}
