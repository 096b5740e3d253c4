package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/internal/api"
)

// protectedResource tells whoever asks where tokens for the gateway come from.
func (a *API) protectedResource(c *gin.Context) {
	issuers := []string{}
	for _, p := range a.OIDC.Providers() {
		issuers = append(issuers, p.Issuer)
	}
	c.JSON(http.StatusOK, api.ProtectedResource{
		Resource: origin(c.Request), ResourceName: "llm-gateway", BearerMethods: []string{"header"},
		AuthorizationServers: issuers, ScopesSupported: list(a.OIDC.CLIScopes), Client: a.OIDC.CLIClient,
	})
}

// origin is the gateway's address as the client knows it.
func origin(r *http.Request) string {
	scheme, host := "http", r.Host
	if r.TLS != nil || forwarded(r, "Proto") == "https" {
		scheme = "https"
	}
	if outer := forwarded(r, "Host"); outer != "" {
		host = outer
	}
	return scheme + "://" + host
}

// list is never nil, which JSON would write as null.
func list(texts []string) []string { return append([]string{}, texts...) }
