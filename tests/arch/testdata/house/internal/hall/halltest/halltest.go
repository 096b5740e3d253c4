package halltest

import (
	_ "example.com/pipes/v2"
	_ "example.org/house/internal/roof"
)
