// Package temporal connects to a Temporal cluster and makes a namespace fit for the workflows: it exists, it knows
// the search attributes, and its schedules are the ones of this version.
package temporal
