package api

import "time"

// ProtectedResource is the answer of GET /.well-known/oauth-protected-resource (RFC 9728): who gives tokens for the
// gateway, and as which client llmgw asks for them.
type ProtectedResource struct {
	Resource             string   `json:"resource"`              // the gateway's address
	AuthorizationServers []string `json:"authorization_servers"` // issuers; none if the gateway has no identity provider yet
	ScopesSupported      []string `json:"scopes_supported"`
	BearerMethods        []string `json:"bearer_methods_supported"`
	ResourceName         string   `json:"resource_name"`
	Client               string   `json:"llmgw_client_id"` // no standard's; "" if llmgw has none at the issuers
}

// Doctor is the answer of GET /api/doctor: who the caller is to the gateway.
type Doctor struct {
	Time    time.Time    `json:"time"` // by the gateway's clock
	Version string       `json:"version"`
	User    string       `json:"user"`
	Subject string       `json:"subject"`
	Tier    string       `json:"tier"`
	Roles   []string     `json:"roles"`
	Groups  []string     `json:"groups"`
	Models  []ModelRoute `json:"models"`
}

// ModelRoute tells where requests for a model go. Models that the caller's tier has no route for are left out.
type ModelRoute struct {
	ID      string   `json:"id"`
	Targets []Target `json:"targets"` // in the order they are written in; weights and sessions may prefer another
}

// Target is a backend, and the model it is asked for.
type Target struct {
	Backend string `json:"backend"`
	Model   string `json:"model"`
}

// Beat is an event of GET /api/doctor/stream. They are sent BeatInterval apart; the stream ends after Beats of them.
type Beat struct {
	N  int       `json:"n"`  // from 1
	At time.Time `json:"at"` // by the gateway's clock
}

// The rhythm of GET /api/doctor/stream.
const (
	Beats        = 6
	BeatInterval = 150 * time.Millisecond
)
