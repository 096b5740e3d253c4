package roof

import (
	_ "net/http"

	_ "example.com/network"
	_ "example.org/house/internal/hall"
	_ "example.org/house/internal/hall/halltest"
)

// Leaks is true.
func Leaks() bool { return true }
