// Package stack brings up everything the gateway needs on one machine, and the
// gateway itself: see [Stack].
//
// What runs as a child process can be killed, frozen and restarted on its own:
// Postgres, Temporal (with its Web UI), Redis, the frontends and the worker. The
// OIDC issuer, the mock model and the control API live in the stack's process.
// Everything listens on 127.0.0.1 only and keeps its state in one directory.
package stack
