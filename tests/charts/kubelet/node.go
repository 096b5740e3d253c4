//go:build linux

package kubelet

import (
	"context"
	"errors"
	"net"
	"os"
	"path"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tools/image/imagetest"
)

// Node is where pods run, and what is in their namespace.
type Node struct {
	images     string // an OCI image layout
	dir        string
	configMaps map[string]map[string]string
	secrets    map[string]map[string]string
	services   map[string]Dialer // by "host:port"
}

// Dialer connects to whatever is behind a Service.
type Dialer func(ctx context.Context) (net.Conn, error)

// To dials an address of this machine.
func To(address string) Dialer {
	return func(ctx context.Context) (net.Conn, error) { return new(net.Dialer).DialContext(ctx, "tcp", address) }
}

// New makes a node that takes images from an OCI image layout, whatever their tags.
func New(t testing.TB, images string) *Node {
	t.Helper()
	dir, err := os.MkdirTemp("", "kubelet-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil { // pods run as other users
		t.Fatal(err)
	}
	return &Node{
		images: images, dir: dir,
		configMaps: map[string]map[string]string{}, secrets: map[string]map[string]string{}, services: map[string]Dialer{},
	}
}

// Impossible says why no pod can run here; nil if they can.
func Impossible() error {
	if os.Geteuid() != 0 {
		return errors.New("pods are run in chroots and networks of their own, which needs root")
	}
	n, err := newNetwork()
	if err != nil {
		return err
	}
	return n.Close()
}

// ConfigMap puts one into the namespace.
func (n *Node) ConfigMap(name string, data map[string]string) { n.configMaps[name] = data }

// Secret puts one into the namespace.
func (n *Node) Secret(name string, data map[string]string) { n.secrets[name] = data }

// Service makes an address, such as "valkey:6379", known to the pods that are started from now on.
func (n *Node) Service(address string, to Dialer) { n.services[address] = to }

// unpack makes the root directory of a container.
func (n *Node) unpack(t testing.TB, reference string) *imagetest.Root {
	t.Helper()
	repository, _, _ := strings.Cut(path.Base(reference), ":") // a digest comes after the tag
	image, err := imagetest.Find(n.images, repository)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp(n.dir, repository+"-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	root, err := imagetest.Unpack(image, dir)
	if err != nil {
		t.Fatal(err)
	}
	return root
}
