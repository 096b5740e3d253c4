package app

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/httpapi"
	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/record"
)

// records is the database as an auditor sees it: by a login and a pool of its own. It is nil where the record is not shown.
type records struct{ db *postgres.DB }

func openRecords(ctx context.Context, cfg config.Database) (*records, error) {
	if cfg.AuditorURL == "" {
		return nil, nil
	}
	cfg.URL = cfg.AuditorURL
	if cfg.AuditorPassword != "" {
		u, err := url.Parse(cfg.AuditorURL)
		if err != nil {
			return nil, errors.New("database.auditor_url is not a URL, as database.auditor_password needs it to be") // the error would quote it
		}
		u.User = url.UserPassword(u.User.Username(), cfg.AuditorPassword)
		cfg.URL = u.String()
	}
	db, err := openDatabase(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("database.auditor_url: %w", err)
	}
	return &records{db}, nil
}

// Close closes the connections, if there are any.
func (r *records) Close() {
	if r != nil {
		r.db.Close()
	}
}

// paths is what the paths that show the record need; nil if there are none.
func (r *records) paths(compressor *record.Compressor) *httpapi.Records {
	if r == nil {
		return nil
	}
	return &httpapi.Records{Store: r.db, Seals: r.db, Compressor: compressor}
}
