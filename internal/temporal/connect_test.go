package temporal

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	transport "google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/tests/certtest"
)

// cluster is a Temporal frontend that answers one call, and remembers how it was called.
type cluster struct {
	workflowservice.UnimplementedWorkflowServiceServer
	tokens  chan string
	address string
}

func serveCluster(t *testing.T, secured *tls.Config) *cluster {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var options []grpc.ServerOption
	if secured != nil {
		options = append(options, grpc.Creds(transport.NewTLS(secured)))
	}
	server := grpc.NewServer(options...)
	c := &cluster{tokens: make(chan string, 8), address: listener.Addr().String()}
	workflowservice.RegisterWorkflowServiceServer(server, c)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return c
}

func (c *cluster) GetSystemInfo(ctx context.Context, _ *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	sent, _ := metadata.FromIncomingContext(ctx)
	c.tokens <- strings.Join(sent.Get("authorization"), ",")
	return &workflowservice.GetSystemInfoResponse{}, nil
}

// call makes one call as a worker with this configuration does, and answers the token that came with it.
func (c *cluster) call(t *testing.T, cfg config.Temporal) (string, error) {
	t.Helper()
	cfg.Address, cfg.Namespace = c.address, "llm-gateway"
	worker, err := Dial(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	defer worker.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := worker.WorkflowService().GetSystemInfo(ctx, &workflowservice.GetSystemInfoRequest{}); err != nil {
		return "", err
	}
	return <-c.tokens, nil
}

func TestATokenFileIsReadForEachCall(t *testing.T) {
	c := serveCluster(t, nil)
	file := write(t, "token", []byte("first\n"))
	cfg := config.Temporal{Auth: config.TemporalAuth{TokenFile: file}}
	for _, want := range []string{"first", "second"} {
		if err := os.WriteFile(file, []byte(want), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := c.call(t, cfg); err != nil || got != "Bearer "+want {
			t.Errorf("sent %q, %v; want the token %q", got, err, want)
		}
	}
}

func TestWithoutATokenNoneIsSent(t *testing.T) {
	if got, err := serveCluster(t, nil).call(t, config.Temporal{}); err != nil || got != "" {
		t.Errorf("sent %q, %v", got, err)
	}
}

func TestAClientGetsItsTokenAtTheIdentityProvider(t *testing.T) {
	var grants atomic.Int64
	provider := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, password, _ := r.BasicAuth()
		if id != "worker" || password != "s3cret" || r.FormValue("grant_type") != "client_credentials" || r.FormValue("scope") != "temporal" {
			http.Error(w, `{"error":"invalid_client"}`, http.StatusUnauthorized)
			return
		}
		grants.Add(1)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"access_token": "granted", "token_type": "Bearer", "expires_in": 300})
	}))
	defer provider.Close()
	c := serveCluster(t, nil)
	auth := config.TemporalAuth{TokenURL: provider.URL, ClientID: "worker", ClientSecretFile: write(t, "secret", []byte("s3cret\n")), Scopes: []string{"temporal"}}
	got, err := c.call(t, config.Temporal{Auth: auth})
	if err != nil || got != "Bearer granted" {
		t.Errorf("sent %q, %v", got, err)
	}
	if grants.Load() != 1 {
		t.Errorf("%d tokens were asked for; one is good for many calls", grants.Load())
	}
	auth.ClientSecretFile = write(t, "secret", []byte("wrong"))
	if got, err := c.call(t, config.Temporal{Auth: auth}); err == nil || !strings.Contains(err.Error(), provider.URL) {
		t.Errorf("sent %q, %v; want an error that names %s", got, err, provider.URL)
	}
}

func TestTheConnectionIsSecuredAsConfigured(t *testing.T) {
	ca := certtest.New(t)
	server, client := ca.Issue(t, "temporal.example.org"), ca.Issue(t, "worker")
	pair, err := tls.X509KeyPair(server.Certificate, server.Key)
	if err != nil {
		t.Fatal(err)
	}
	c := serveCluster(t, &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: ca.Pool(), MinVersion: tls.VersionTLS12})
	good := config.TemporalTLS{
		Enabled: true, CAFile: write(t, "ca.crt", ca.Certificate), CertFile: write(t, "tls.crt", client.Certificate), KeyFile: write(t, "tls.key", client.Key),
		ServerName: "temporal.example.org",
	}
	if _, err := c.call(t, config.Temporal{TLS: good}); err != nil {
		t.Errorf("refused: %v", err)
	}
	for name, bad := range map[string]struct {
		change func(*config.TemporalTLS)
		says   string // "" where a server that hangs up decides what is seen
	}{
		"no certificate":         {func(s *config.TemporalTLS) { s.CertFile, s.KeyFile = "", "" }, ""},
		"no TLS":                 {func(s *config.TemporalTLS) { *s = config.TemporalTLS{} }, ""},
		"another name":           {func(s *config.TemporalTLS) { s.ServerName = "elsewhere.example.org" }, "elsewhere.example.org"},
		"an unknown authority":   {func(s *config.TemporalTLS) { s.CAFile = write(t, "ca.crt", certtest.New(t).Certificate) }, "unknown authority"},
		"a CA that is not there": {func(s *config.TemporalTLS) { s.CAFile = "/nonexistent" }, "temporal.tls.ca_file"},
		"a CA that is none":      {func(s *config.TemporalTLS) { s.CAFile = write(t, "ca.crt", []byte("hello")) }, "no certificate in PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			secured := good
			bad.change(&secured)
			if _, err := c.call(t, config.Temporal{TLS: secured}); err == nil || !strings.Contains(err.Error(), bad.says) {
				t.Errorf("got %v, want an error with %q", err, bad.says)
			}
		})
	}
}

func write(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
