package main

import "example.org/house/internal/roof"

func main() {
	if roof.Leaks() {
		panic("rain")
	}
	// ring
	println("ding")
}
