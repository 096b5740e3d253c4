package postgres

import (
	"net/url"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
)

// The roles of the cluster. The owner of the gateway's database is an ordinary
// role: migrations that need more would fail in production too.
const (
	Superuser = "postgres"
	Owner     = "llmgw_owner"
	Frontend  = "llmgw_frontend"
	Worker    = "llmgw_worker"
	Auditor   = "llmgw_auditor"
	Temporal  = "temporal"
)

// The databases of the cluster.
const (
	GatewayDatabase    = "llmgw"
	TemporalDatabase   = "temporal"
	VisibilityDatabase = "temporal_visibility"
)

// loginRoles lists the roles to create.
func loginRoles() []string { return []string{Owner, Frontend, Worker, Auditor, Temporal} }

// databaseOwners maps the databases to create to their owners.
func databaseOwners() map[string]string {
	return map[string]string{
		GatewayDatabase:    Owner,
		TemporalDatabase:   Temporal,
		VisibilityDatabase: Temporal,
	}
}

// password is the fixed password of a role. The server is only reachable from
// this machine, and scripts want to know it.
func password(role string) string { return "dev-" + role }

// Password returns the password of a role.
func (s *Server) Password(role string) string { return password(role) }

// Addr is where the server listens.
func (s *Server) Addr() string { return ports.Addr(s.port) }

// URL is the connection string of a role for a database. The server speaks no
// TLS; saying so saves every connection a round trip.
func (s *Server) URL(role, database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(role, password(role)),
		Host:     s.Addr(),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}
