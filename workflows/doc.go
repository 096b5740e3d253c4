// Package workflows holds what must happen to every request after it has ended, and to every batch until it has, whatever
// dies meanwhile.
//
//	Request         one request: wait for its end if it still runs, write the ledger, settle the quota
//	SettleBacklog   the same for hundreds of requests at once, when more wait than can be started singly
//	Batch           one batch: run its items, a chunk at a time, wait where they must, end it
//	Seal            on a schedule: seal the new rows of the ledger
//	Sweep           on a schedule: close what a dead frontend left open, release what leaked, tidy up
//
// Workflows are replayed from their recorded history, so they are deterministic: no clock, no randomness, no I/O of
// their own. testdata holds histories from a real server, and every change is tested against them.
package workflows
