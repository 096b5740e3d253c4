package config

import "time"

// Default is the configuration before a file or the environment says anything: the tiers and routes of a gateway
// with a Claude subscription and one internal model, and no backend, since a backend needs an address.
func Default() Config {
	return Config{
		HTTP: HTTP{
			Listen: ":8000", MetricsListen: ":9464", MaxBody: 32 << 20, HeaderTimeout: 10 * time.Second, ReadTimeout: 5 * time.Minute,
			WriteTimeout: time.Minute, DrainDelay: 2 * time.Second, DrainTimeout: 10 * time.Minute, PingInterval: 15 * time.Second,
		},
		OIDC: OIDC{
			Provider: Provider{
				Audience: "llm-gateway", Algorithms: []string{"RS256"}, TierClaim: "tier", UserClaim: "preferred_username", RolesClaim: "roles",
				GroupsClaim: "groups", ClockSkew: 30 * time.Second, Introspection: Introspection{Cache: 10 * time.Second},
			},
			CacheSize: 10_000, CLIClient: "llmgw", CLIScopes: []string{"openid", "offline_access"},
		},
		Database: Database{MaxConns: 8, ConnectTimeout: 2 * time.Second},
		Redis:    Redis{Timeout: time.Second},
		Temporal: Temporal{Address: "127.0.0.1:7233", Namespace: "llm-gateway", TaskQueue: "gateway", Retention: 72 * time.Hour},
		Audit: Audit{
			Mode: Strict, CommitTimeout: 1500 * time.Millisecond, Queue: 1024, Writers: 2, BatchRows: 128,
			SpoolDir: "spool", SpoolMaxBytes: 1 << 30, LeaseTTL: 15 * time.Second,
		},
		Quota: Quota{Timezone: "UTC"},
		Worker: Worker{
			RelayInterval: 100 * time.Millisecond, RelayConcurrency: 64, BacklogThreshold: 500, BacklogChunk: 500,
			LongRunningAfter: 10 * time.Second, LongRunningDeadline: time.Hour,
			SweepInterval: 20 * time.Second, SealInterval: time.Minute, LeaseRecheck: 5 * time.Second, LeakAge: 30 * time.Second, ReconcileInterval: 10 * time.Minute,
		},
		Batch: Batch{
			Enabled: true, TaskQueue: "gateway-batch", MaxItems: 100_000, MaxBytes: 256 << 20, MaxFile: 200 << 20, MaxLines: 50_000,
			UploadIdle: time.Minute, Window: 24 * time.Hour, Retention: 29 * 24 * time.Hour,
			Concurrency: 32, Chunk: 100, Chunks: 4, ChunkTime: time.Minute, NativeChunk: 10_000, Attempts: 5, Recheck: 10 * time.Minute,
			SubmissionTTL: time.Hour,
		},
		Upstream: Upstream{
			ConnectTimeout: 5 * time.Second, FirstByteTimeout: time.Minute, HeaderTimeout: 10 * time.Minute, IdleTimeout: 2 * time.Minute,
			RetryWait: 10 * time.Second, EjectAfter: 5, EjectFor: 5 * time.Second, EjectMax: 2 * time.Minute,
		},
		Models: []Model{
			{ID: "claude-opus-5-5", DisplayName: "Claude Opus 5.5", OwnedBy: "anthropic", CreatedAt: "2026-10-21T00:00:00Z"},
			{ID: "claude-sonnet-5-5", DisplayName: "Claude Sonnet 5.5", OwnedBy: "anthropic", CreatedAt: "2026-10-21T00:00:00Z"},
			{ID: "claude-haiku-5-5", DisplayName: "Claude Haiku 5.5", OwnedBy: "anthropic", CreatedAt: "2026-10-21T00:00:00Z"},
			{ID: "internal", DisplayName: "Internal model", OwnedBy: "internal", CreatedAt: "2026-01-01T00:00:00Z"},
		},
		Prices: []Price{
			{Match: "opus", Input: 5, Output: 25, CacheRead: 0.5, CacheWrite: 6.25},
			{Match: "sonnet", Input: 3, Output: 15, CacheRead: 0.3, CacheWrite: 3.75},
			{Match: "haiku", Input: 1, Output: 5, CacheRead: 0.1, CacheWrite: 1.25},
			{Match: "internal", Input: 0.1, Output: 0.4, CacheRead: 0.1, CacheWrite: 0.1},
		},
		Tiers: map[string]Tier{
			"free": {RequestsPerDay: 10, TokensPerDay: -1, Routes: []Route{
				{Match: "*", Backend: "internal", Model: "internal"},
			}},
			"pro": {RequestsPerDay: 1000, TokensPerDay: -1, Routes: []Route{
				{Match: "haiku", Backend: "anthropic"},
				{Match: "claude", Backend: "anthropic", Model: "claude-haiku-5-5"},
				{Match: "*", Backend: "internal", Model: "internal"},
			}},
			"enterprise": {RequestsPerDay: -1, TokensPerDay: -1, Routes: []Route{
				{Match: "claude", Backend: "anthropic"},
				{Match: "*", Backend: "internal"},
			}},
		},
		ReloadInterval: 2 * time.Second,
		Log:            Log{Level: "info"},
	}
}
