// Package temporal runs a real Temporal server on Postgres, with its Web UI, in
// one process: all four services, 512 history shards, durable persistence.
//
// It is meant to be a process of its own, so that a test can kill it and its
// processor time can be told from the rest: see [Run] and [Settings].
package temporal
