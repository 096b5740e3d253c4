//go:build linux

package run

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/kubelet"
	"github.com/openova-io/llm-gateway/tests/stacktest"
	"github.com/openova-io/llm-gateway/tools/image/oci"
)

func TestMain(m *testing.M) {
	code := helm.Run(m)
	if err := kubelet.Impossible(); err != nil {
		fmt.Println("charts: the run of what is rendered SKIPPED:", err)
	}
	os.Exit(code)
}

// world is a namespace in which the charts are installed, and what is around it: the development stack, without a gateway.
type world struct {
	*stacktest.Stack
	node     *kubelet.Node
	admin    *pgx.Conn // of the whole database server
	temporal client.Client
	store    map[string]string // the secret store: "key/property"
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if err := kubelet.Impossible(); err != nil {
		helm.Skip(t, err.Error())
	}
	images := filepath.Join(t.TempDir(), "images")
	var said bytes.Buffer
	here := []v1.Platform{{OS: "linux", Architecture: runtime.GOARCH}}
	built := make(chan error, 1)
	go func() {
		built <- oci.Build(t.Context(), oci.Options{Root: helm.Root(), Output: images, Platforms: here, Dev: true, Progress: &said})
	}()
	stack, err := stacktest.Start(t.Context(), "--no-gateway")
	if err := <-built; err != nil {
		t.Errorf("%v\n%s", err, &said)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	w := &world{Stack: stack, node: kubelet.New(t, images), store: map[string]string{
		"llm-gateway/anthropic/token": "mock-operator-token", "llm-gateway/internal/token": "mock-internal-token",
		"llm-gateway/seal/key": sealKey(t),
	}}
	if w.admin, err = pgx.Connect(t.Context(), w.database(t, "postgres")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.admin.Close(context.Background()) })
	if w.temporal, err = client.NewLazyClient(client.Options{HostPort: stack.TemporalAddress, Namespace: "llm-gateway"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.temporal.Close)

	w.node.Service("claude:80", kubelet.To(host(t, stack.Models["anthropic"])))
	w.node.Service("vllm:80", kubelet.To(host(t, stack.Models["internal"])))
	w.node.Service(host(t, stack.Issuer), kubelet.To(host(t, stack.Issuer))) // tokens name it as it is
	return w
}

// namespace makes the Temporal namespace, as bp-temporal does.
func (w *world) namespace(t *testing.T) {
	t.Helper()
	_, err := w.temporal.WorkflowService().RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: "llm-gateway", WorkflowExecutionRetentionPeriod: durationpb.New(72 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
}

// sealKey is a new key for the ledger's seals, as openssl genpkey makes one.
func sealKey(t *testing.T) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// database is the URL by which the superuser reaches a database.
func (w *world) database(t *testing.T, name string) string {
	t.Helper()
	u, err := url.Parse(w.PostgresURLs["superuser"])
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}

// host is the host and port of a URL.
func host(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}

// answer is what came back of a request.
type answer struct {
	status int
	header http.Header
	body   string
}

// ask sends a request to a pod; GET if there is no body.
func ask(t *testing.T, pod *kubelet.Pod, url, token, body string) answer {
	t.Helper()
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := pod.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text)}
}

// eventually waits for what other processes do in their own time.
func eventually(t *testing.T, what string, is func() error) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		err := is()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(fmt.Errorf("not yet: %s: %w", what, err))
		}
		time.Sleep(100 * time.Millisecond)
	}
}
