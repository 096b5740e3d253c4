// Package redistest runs redis-server for tests: one, or a cluster of several.
//
// It is the redis-server in PATH, or the one that make puts into bin/tools. Each keeps everything in memory, listens on
// 127.0.0.1 only, and goes away with the test.
package redistest
