// Package cli is llmgw, the users' command. It is a client of the gateway like any other: it has the caller's token and
// speaks HTTP.
//
// What a command found goes to standard output: an id, a table, with --json an object. Everything else, such as progress
// and advice, goes to standard error.
package cli
