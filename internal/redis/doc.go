// Package redis counts what subjects use of their quota.
//
// Each subject has three kinds of keys, whose hash tag keeps them on one slot of a cluster:
//
//	quota:{<subject>}:<start of the window, UTC, 20060102T1504Z>    a hash
//	    requests, tokens                    what is used: settled and reserved together
//	    requests:<class>, tokens:<class>    that of it which is of a class of models
//	    start, reset                        the window, in Unix seconds
//	    <uuid>                              an open reservation: "<requests> <tokens>", " <class>" if it is of one
//	    rebuild                             "<token> <deadline in Unix seconds>" while it is rebuilt
//	    late:<uuid>                         a settlement that came meanwhile: "<requests> <tokens> <class>"
//	quota:{<subject>}:minute    a sorted set of the requests admitted in the last 60 seconds, by Unix milliseconds
//	quota:{<subject>}:places    a sorted set of the requests that run, by when their place lapses
//
// All changes are Lua scripts, so each is atomic: reserve.lua admits, settle.lua replaces a reservation by the final
// charge. The minute and the places are counted where a limit is set on them. A place is kept up by the process whose
// request it is ([Quota.Keep]), given back when the request ends, and lapses if that process dies.
//
// # Losing it
//
// Redis may be emptied at any time. A window that is missing is rebuilt from the [Source], which is the database: begin.lua
// puts a token into the hash, the snapshot is read, install.lua writes what it says. If the token is gone by then, Redis was
// emptied a second time, and the snapshot is too old to be true: it is read again. What is settled between the two scripts is
// noted in the hash, so that install.lua can tell whether the snapshot has it; where it cannot, the snapshot is read again,
// too. So a rebuilt window counts every request that was on record before Redis was emptied.
//
// It may miss one that had its reservation and was not yet on record. That is why a request asks twice, before and after it
// is put on record ([Quota.Reserve] with the same id changes nothing). The second answer is given by a window that counts
// the request, so never more are sent than the limits allow.
//
// # Repairing it
//
// The same way a window that is warm is compared with the database, and put right ([Quota.Reconcile]): all of them now and
// then, and one at once when a settlement meets a window that does not know its request.
//
// For this to hold, a request's ledger row must be committed before Settle is called.
package redis
