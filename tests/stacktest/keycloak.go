package stacktest

// Keycloak is what a stack that was started with --keycloak tells of it.
type Keycloak struct {
	URL      string            `json:"url"`
	Realm    string            `json:"realm"`
	Admin    string            `json:"admin"`
	Password string            `json:"password"`
	Clients  map[string]string `json:"clients"` // secrets of the realm's confidential clients, by their id
}
