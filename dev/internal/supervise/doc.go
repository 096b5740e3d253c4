// Package supervise runs child processes: it starts them, restarts the ones
// that die, and stops, kills or freezes them on request.
//
// A [Process] is one child. It moves between the states of [State]:
//
//	stopped ──Start──► starting ──ready──► running ◄──Resume── paused
//	   ▲                  ▲                   │ ▲                ▲
//	   │                  │                   │ └─────Pause──────┘
//	   └──────Stop────────┼───────────────────┤
//	                      └──── backoff ◄─────┘ died, or Kill
//
// A child cannot outlive its supervisor: where the platform allows it (Linux)
// the kernel kills it the moment the supervisor is gone.
package supervise
