package ground

import (
	_ "net/http"

	_ "example.com/sand"
	_ "example.com/stone"
	_ "example.org/house/internal/roof"
)
