// Package docs holds what the gateway tells of itself on the wire.
package docs

import _ "embed"

// OpenAPI describes the gateway's own endpoints, those of neither dialect: GET /openapi.yaml.
//
//go:embed openapi.yaml
var OpenAPI []byte
