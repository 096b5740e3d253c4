// Package postgres runs a real, durable PostgreSQL for the stack: it finds or
// fetches the binaries, initialises a cluster, and creates the roles and
// databases of the gateway and of Temporal.
//
// PostgreSQL refuses to run as root. When the stack does, the server runs as the
// user postgres (or nobody), and the cluster moves out of a state directory that
// this user could not enter.
package postgres
