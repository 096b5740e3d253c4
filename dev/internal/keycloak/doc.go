// Package keycloak runs a Keycloak with an example realm: the identity provider
// that an organisation has, on a developer's machine and in tests.
//
// realm.json is the realm as anybody may import it, described in docs/keycloak.md.
// demo.json adds, for this machine only, users whose passwords are their names, and
// a client that takes these passwords.
package keycloak
