package postgres_test

import (
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/openova-io/llm-gateway/internal/postgres"
	"github.com/openova-io/llm-gateway/internal/postgres/postgrestest"
)

// What a proxy does with what passes.
const (
	pass         = iota
	dropRequests // cuts the connection before the server gets the next bytes
	dropAnswers  // lets the server work, and cuts the connection before the client gets its answer
	hang         // keeps the answers to itself
)

// proxy is a wire to the database that can be cut at a chosen point.
type proxy struct {
	addr   string
	target string
	mode   atomic.Int32
	trips  atomic.Int64 // how often the client sent after the server had answered

	mu    sync.Mutex
	conns []net.Conn
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{addr: l.Addr().String(), target: target}
	t.Cleanup(func() { _ = l.Close(); p.cut() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", target)
			if err != nil {
				_ = client.Close()
				continue
			}
			p.mu.Lock()
			p.conns = append(p.conns, client, server)
			p.mu.Unlock()
			var answered atomic.Bool
			answered.Store(true)
			go p.pump(server, client, dropRequests, func() {
				if answered.Swap(false) {
					p.trips.Add(1)
				}
			})
			go p.pump(client, server, dropAnswers, func() { answered.Store(true) })
		}
	}()
	return p
}

// pump copies until an end is closed, or there is something to pass and the mode says to drop it.
func (p *proxy) pump(to, from net.Conn, drop int32, passed func()) {
	defer to.Close()
	defer from.Close()
	buf := make([]byte, 1<<20)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			switch mode := p.mode.Load(); {
			case mode == drop:
				return
			case mode == hang && drop == dropAnswers:
				continue
			}
			passed()
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.conns {
		_ = c.Close()
	}
	p.conns = nil
}

// through opens the database as the role, over a proxy.
func through(t *testing.T, s *postgrestest.Server, role postgrestest.Role, c postgres.Config) (*postgres.DB, *proxy) {
	t.Helper()
	u, err := url.Parse(s.URL(role))
	if err != nil {
		t.Fatal(err)
	}
	p := newProxy(t, u.Host)
	u.Host = p.addr
	c.URL, c.MaxConns = u.String(), 2
	db, err := postgres.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return db, p
}
