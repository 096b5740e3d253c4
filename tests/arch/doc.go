// Package arch holds the shape of the repository as rules that a test checks: which package may import
// which, who alone may touch an outside technology, and how large a file may grow.
//
// It parses the files itself. A check by `go list` would be cached by `go test` as long as its own inputs
// stay the same, and would hide a new violation.
package arch
