package httpapi

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/openova-io/llm-gateway/docs"
)

// openAPI describes the gateway's own endpoints.
func openAPI(c *gin.Context) { c.Data(http.StatusOK, "application/yaml", docs.OpenAPI) }
