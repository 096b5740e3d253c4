package middle

import (
	_ "example.org/house/internal/ground"
	_ "example.org/house/internal/hall"
)
