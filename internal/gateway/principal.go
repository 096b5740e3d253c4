package gateway

import "slices"

// Tier names a subscription level, such as "free", "pro" or "enterprise". What a tier allows is configuration.
type Tier string

// Auditor is the role of those who may look at everybody's requests.
const Auditor = "auditor"

// Principal is an authenticated caller.
type Principal struct {
	Subject string   // the identity provider's stable id; the quota is counted by it
	User    string   // the name people know the subject by; shown, searched, never trusted for a decision
	Tier    Tier     // the subscription
	Roles   []string // such as "auditor"
	Groups  []string // such as "/research": some limits are changed for a group
}

// HasRole reports whether the principal carries the role.
func (p Principal) HasRole(role string) bool { return slices.Contains(p.Roles, role) }
