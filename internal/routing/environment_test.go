package routing

import (
	"net/http"

	"github.com/openova-io/llm-gateway/internal/backend"
)

func environment() backend.Environment { return backend.Environment{Transport: http.DefaultTransport} }
