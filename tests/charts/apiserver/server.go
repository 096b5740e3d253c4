package apiserver

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"
)

// startTimeout is how long each of the two may take to be ready; a loaded machine takes its time.
const startTimeout = 2 * time.Minute

// Server is a running API server with the etcd behind it.
type Server struct {
	Kubeconfig string // a file for helm: the administrator's
	Client     *Client

	dir       string
	etcd, api *process
}

// Start runs kube-apiserver and etcd from the directory of binaries. Close stops them.
func Start(ctx context.Context, binaries string) (*Server, error) {
	for _, name := range []string{"etcd", "kube-apiserver"} {
		if _, err := os.Stat(filepath.Join(binaries, name)); err != nil {
			return nil, fmt.Errorf("%w: run `make charts-apiserver`, which builds it first", err)
		}
	}
	dir, err := os.MkdirTemp("", "charts-apiserver-")
	if err != nil {
		return nil, err
	}
	s := &Server{dir: dir}
	if err := s.start(ctx, binaries); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, binaries string) error {
	storage, err := s.startEtcd(ctx, filepath.Join(binaries, "etcd"))
	if err != nil {
		return err
	}
	return s.startAPI(ctx, filepath.Join(binaries, "kube-apiserver"), storage)
}

// startEtcd returns the address that etcd answers at.
func (s *Server) startEtcd(ctx context.Context, binary string) (string, error) {
	ports, err := freePorts(2)
	if err != nil {
		return "", err
	}
	client, peer := "http://"+ports[0], "http://"+ports[1]
	s.etcd, err = start(binary,
		"--data-dir="+filepath.Join(s.dir, "etcd"),
		"--listen-client-urls="+client, "--advertise-client-urls="+client,
		"--listen-peer-urls="+peer, "--initial-advertise-peer-urls="+peer, "--initial-cluster=default="+peer,
		"--unsafe-no-fsync", // nothing here outlives the test
		"--log-level=error")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	return client, s.etcd.wait(ctx, func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", ports[0])
		if err != nil {
			return err
		}
		return conn.Close()
	})
}

func (s *Server) startAPI(ctx context.Context, binary, storage string) error {
	ports, err := freePorts(1)
	if err != nil {
		return err
	}
	_, port, err := net.SplitHostPort(ports[0])
	if err != nil {
		return err
	}
	token := rand.Text()
	key, err := signingKey()
	if err != nil {
		return err
	}
	tokens, keys, certs := filepath.Join(s.dir, "tokens.csv"), filepath.Join(s.dir, "accounts.pem"), filepath.Join(s.dir, "certs")
	if err := errors.Join(
		os.WriteFile(tokens, []byte(token+`,admin,admin,"system:masters"`+"\n"), 0o600),
		os.WriteFile(keys, key, 0o600),
	); err != nil {
		return err
	}
	s.api, err = start(binary,
		"--etcd-servers="+storage,
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port="+port,
		"--cert-dir="+certs, // where it puts a certificate that it makes for itself
		"--token-auth-file="+tokens, "--authorization-mode=RBAC",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file="+keys, "--service-account-signing-key-file="+keys,
		"--service-cluster-ip-range=10.0.0.0/24",
		"--endpoint-reconciler-type=none", // a loopback address is not for the kubernetes Service
		"--watch-cache=false",             // nobody watches, and filling the cache of each kind takes a second
		// These wait for controllers, which are not here: a claim would never be gone, and a pod finds no account.
		"--disable-admission-plugins=StorageObjectInUseProtection,ServiceAccount")
	if err != nil {
		return err
	}
	return s.connect(ctx, "https://"+ports[0], filepath.Join(certs, "apiserver.crt"), token)
}

// connect waits until the API server is ready, and writes the kubeconfig.
func (s *Server) connect(ctx context.Context, url, ca, token string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	err := s.api.wait(ctx, func(ctx context.Context) error {
		var err error
		if s.Client, err = newClient(url, ca, token); err != nil {
			return err // the certificate is not written yet
		}
		return s.Client.Ready(ctx)
	})
	if err != nil {
		return err
	}
	s.Kubeconfig = filepath.Join(s.dir, "kubeconfig")
	return os.WriteFile(s.Kubeconfig, fmt.Appendf(nil, kubeconfig, url, ca, token), 0o600)
}

const kubeconfig = `apiVersion: v1
kind: Config
current-context: test
contexts: [{name: test, context: {cluster: test, user: admin}}]
clusters: [{name: test, cluster: {server: %q, certificate-authority: %q}}]
users: [{name: admin, user: {token: %q}}]
`

// signingKey is what the tokens of service accounts are signed with.
func signingKey() ([]byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), nil
}

// Close stops both, removes their data, and returns the most memory that they held together, in bytes.
func (s *Server) Close() (memory int64, err error) {
	for _, p := range []*process{s.api, s.etcd} { // in this order, or the API server complains for a while
		if p != nil {
			memory += p.stop()
		}
	}
	return memory, os.RemoveAll(s.dir)
}
