// Package ports hands out the loopback ports of a stack.
//
// A port is held, by an open listener, from the moment it is chosen until the
// one who will use it takes it over, so that two stacks starting at the same
// time do not choose the same one.
package ports

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

// Host is the only address anything in the stack listens on.
const Host = "127.0.0.1"

// Random ports come from below the range that Linux takes the source ports of
// outgoing connections from (32768 and up). A port from that range could be lost
// while its server restarts, and a client that retries a closed port there ends
// up connected to itself sooner or later.
const (
	randomFirst = 20000
	randomLast  = 32767
	attempts    = 200
)

// Set is the ports of one stack.
type Set struct {
	random bool

	mu   sync.Mutex
	held map[int]net.Listener
}

// NewSet returns an empty set. With random, every port asked for is replaced
// with a free one.
func NewSet(random bool) *Set {
	return &Set{random: random, held: map[int]net.Listener{}}
}

// TakenError says that a port is in use.
type TakenError struct {
	Port    int
	Purpose string // what wanted it
	Flag    string // the flag that chooses it, without dashes
	Err     error
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("port %d, wanted for %s, is taken: stop what uses it, or choose another with --%s N or --random-ports (%v)",
		e.Port, e.Purpose, e.Flag, e.Err)
}

func (e *TakenError) Unwrap() error { return e.Err }

// Choose holds the wanted port, or a free one if wanted is 0 or the set is
// random. Purpose and flag are for the error, a [*TakenError].
func (s *Set) Choose(wanted int, purpose, flag string) (int, error) {
	if s.random || wanted == 0 {
		return s.chooseFree(purpose)
	}
	listener, err := listen(wanted)
	if err != nil {
		return 0, &TakenError{Port: wanted, Purpose: purpose, Flag: flag, Err: err}
	}
	s.hold(wanted, listener)
	return wanted, nil
}

func (s *Set) chooseFree(purpose string) (int, error) {
	for range attempts {
		port := randomFirst + rand.IntN(randomLast-randomFirst+1)
		if listener, err := listen(port); err == nil {
			s.hold(port, listener)
			return port, nil
		}
	}
	return 0, fmt.Errorf("no free port for %s among %d tried between %d and %d: is something listening on all of them?",
		purpose, attempts, randomFirst, randomLast)
}

func (s *Set) hold(port int, listener net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held[port] = listener
}

// Take hands over the listener of a held port, for a server of this process.
func (s *Set) Take(port int) (net.Listener, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	listener, ok := s.held[port]
	if !ok {
		return nil, fmt.Errorf("port %d is not held", port)
	}
	delete(s.held, port)
	return listener, nil
}

// Release frees held ports, for servers of other processes about to start.
func (s *Set) Release(ports ...int) {
	for _, port := range ports {
		if listener, err := s.Take(port); err == nil {
			listener.Close()
		}
	}
}

// Close releases every port still held.
func (s *Set) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for port, listener := range s.held {
		errs = append(errs, listener.Close())
		delete(s.held, port)
	}
	return errors.Join(errs...)
}

// Addr is the address of a port on the loopback interface.
func Addr(port int) string { return net.JoinHostPort(Host, strconv.Itoa(port)) }

// URL is the base URL of an HTTP server on a port.
func URL(port int) string { return "http://" + Addr(port) }

func listen(port int) (net.Listener, error) {
	return net.Listen("tcp", Addr(port))
}
