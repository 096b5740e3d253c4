// Package gateway holds the nouns and the rules of the gateway, and nothing that touches the world: who
// calls ([Principal]), what they asked for ([Model]), where it goes ([Routes], [Target]), what it costs them
// ([Window], [Limits]), and what is put on record ([Intent], [Outcome], [Entry]).
//
// The package imports nothing of ours, does no I/O and never asks for the time: every function that depends
// on the clock is given it.
package gateway
