//go:build linux

package kubelet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// network is a pod's own: a loopback interface, and nothing beside it.
type network struct {
	namespace *os.File
	listeners []net.Listener
}

func newNetwork() (*network, error) {
	n := new(network)
	err := onThread(func() (err error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("a network of its own for a pod: %w", err)
		}
		if err := loopbackUp(); err != nil {
			return err
		}
		n.namespace, err = os.Open("/proc/thread-self/ns/net")
		return err
	})
	return n, err
}

// Close ends the forwarding; the namespace goes with its last process.
func (n *network) Close() error {
	var errs []error
	for _, l := range n.listeners {
		errs = append(errs, l.Close())
	}
	return errors.Join(append(errs, n.namespace.Close())...)
}

// onThread runs f on a thread that ends with it, whatever f has done to the thread.
func onThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		done <- f()
	}()
	return <-done
}

// inside runs f in the namespace. What f opens or starts stays there.
func (n *network) inside(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(n.namespace.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return f()
	})
}

func loopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(socket) }()
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, lo)
}

// dial connects to a port of the pod.
func (n *network) dial(ctx context.Context, port string) (conn net.Conn, err error) {
	err = n.inside(func() (err error) {
		conn, err = new(net.Dialer).DialContext(ctx, "tcp", "127.0.0.1:"+port)
		return err
	})
	return conn, err
}

// publish makes Services reachable from inside, and returns the lines of /etc/hosts by which they are found: each host has
// an address of its own, since two may have the same port.
func (n *network) publish(services map[string]Dialer) (string, error) {
	hosts := strings.Builder{}
	hosts.WriteString("127.0.0.1 localhost\n")
	addresses := map[string]string{}
	for service, to := range services {
		host, port, err := net.SplitHostPort(service)
		if err != nil {
			return "", err
		}
		if net.ParseIP(host) != nil {
			addresses[host] = host
		}
		if addresses[host] == "" {
			addresses[host] = fmt.Sprintf("127.0.1.%d", len(addresses)+1)
			fmt.Fprintf(&hosts, "%s %s\n", addresses[host], host)
		}
		err = n.inside(func() error {
			l, err := net.Listen("tcp", net.JoinHostPort(addresses[host], port))
			if err == nil {
				n.listeners = append(n.listeners, l)
				go forward(l, to)
			}
			return err
		})
		if err != nil {
			return "", fmt.Errorf("service %s: %w", service, err)
		}
	}
	return hosts.String(), nil
}

// forward hands connections on until the listener is closed.
func forward(l net.Listener, to Dialer) {
	for {
		from, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer from.Close()
			behind, err := to(context.Background())
			if err != nil {
				return // as a Service does that has no endpoints
			}
			defer behind.Close()
			go pipe(behind, from)
			pipe(from, behind)
		}()
	}
}

// pipe copies one direction, and passes its end on.
func pipe(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	if half, ok := to.(*net.TCPConn); ok {
		_ = half.CloseWrite()
	}
}
