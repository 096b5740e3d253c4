// Package relay starts the workflows of requests that have ended. A frontend commits a request's outcome and is done
// with it; the outcomes that are not in the ledger yet are an outbox, and the relay empties it. So a frontend needs no
// Temporal, and while Temporal is away the outbox grows and nothing else happens.
//
// One worker's relay leads, the others wait to take over. What a leader remembers only saves work: an outcome leaves
// the outbox when the ledger has it and not before, everything that is started may be started twice, and the id of
// the workflow, which is the request's, makes one of the two.
//
//	ended                           Request, run at once by this very process if it has a free slot
//	running for long                Request that is delayed until its deadline: to be seen in the Web UI, at no cost
//	ended, and was running for long signal to that Request, which cuts the delay
//	ended, and hundreds more with it SettleBacklog, hundreds in one workflow
//	batches that have not ended     Batch, again and again, so that one whose workflow was terminated goes on
package relay
