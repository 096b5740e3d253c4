package cellar

import (
	_ "example.com/pipes/v2/valve"
	_ "example.org/house/internal/ground"
	_ "example.org/house/tests/toys"
)

type door struct{}

func (door) init() {} // a method of that name is none of our business

func init() {}
