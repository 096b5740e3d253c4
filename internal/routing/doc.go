// Package routing knows the backends there are and which of them to try next: the table of backends, routes and
// prices, which is swapped as a whole when the configuration changes; the health of the backends, learnt from their
// answers; and one request's way through its targets.
package routing
