// Package postgres is the record: the requests in flight, the ledger and the bodies, in PostgreSQL 14 or later.
//
// A request passes through five tables, and the migrations say what each column means:
//
//	admitted   ── Stage ──► intents + bodies ─┐
//	sent again ── Stage ──► attempts          │
//	ended      ── Stage ──► outcomes + bodies ┴─ WriteLedger ──► ledger
//
// intents and outcomes hold requests in flight only, so they stay small: an outcome that is there is a request the
// worker still has to write to the ledger, an intent without an outcome is a request that is still running.
// WriteLedger moves both to the ledger in one statement; ledger, attempts and bodies are never changed. The first
// sending of a request is that of its intent, so a request that goes well at once has no row in attempts.
//
// A batch is made of items, each of which passes through the record as a request of its own, without outcomes:
//
//	accepted   ── CreateBatch, AddItems, AcceptBatch ──► batches + batch_items
//	begun      ── Commit ──► intents + bodies, attempts
//	ended      ── Commit ──► ledger + bodies + batch_results, in the statement that deletes the intent
//	all ended  ── EndBatch ──► batches + files
//
// Its items and results are deleted in the end, by TidyBatches; what they were as requests stays.
//
// There are three roles in the database, and a [DB] is opened with the login of one of them:
//
//	llmgw_frontend   Stage, Renew, Snapshot; it can insert, but it cannot read a row of anyone's requests. It makes, reads and
//	                 cancels batches; it cannot add to one that was accepted, change an item, or write a result
//	llmgw_worker     everything else; it cannot change or delete what is in the ledger, the attempts or the bodies, nor
//	                 change an item or a result
//	llmgw_auditor    reads everything but the bytes of bodies, changes nothing. ReadBody gives it those of one body, when the
//	                 read is on record
//
// Every method is bounded by [Config].Timeout, so a server that hangs is an error and not a wait; one that goes through a
// batch or a file is so for each piece. Every write may be repeated: the second time changes nothing.
package postgres
