// Package redis counts what subjects use of their quota.
//
// Each subject and window has one hash, whose hash tag keeps a subject on one slot of a cluster:
//
//	quota:{<subject>}:<start of the window, UTC, 20060102T1504Z>
//	    requests  what is used: settled and reserved together
//	    tokens
//	    reset     end of the window, in Unix seconds
//	    open      how many reservations are open
//	    <uuid>    an open reservation: "<requests> <tokens>"
//	    settled:<uuid>   a request that was counted without ever having been reserved here
//	    doubt     how often a settlement came that this hash could not place
//
// All changes are Lua scripts, so each is atomic: reserve.lua admits, settle.lua replaces a reservation by the final
// charge. Redis may be emptied at any time. A window that is missing is restored from the [Source], which is the
// database: restore.lua installs its snapshot unless another was faster. Two races are left then, and each has its
// answer:
//
//   - A request is settled after the snapshot was read and before it is installed. settle.lua finds no window, and
//     leaves the charge in <window>:late for ten minutes; restore.lua looks there.
//   - A request was reserved before Redis was emptied, and its intent was committed after the snapshot was read. Its
//     settlement finds the window, but no reservation. The same is true of a settlement that comes a second time.
//     The window is then in doubt, and as soon as no reservation in it is open, it is compared with the database
//     and corrected (reconcile.lua).
//
// For this to hold, a request's ledger row must be committed before Settle is called.
package redis
