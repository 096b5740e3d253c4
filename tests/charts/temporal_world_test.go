package charts

import (
	"bytes"
	"context"
	"fmt"
	random "math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/openova-io/llm-gateway/tests/certtest"
	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/stacktest"
)

// temporalWorld is a Temporal server that runs by the configuration which bp-temporal gives it, on databases as
// CloudNativePG makes them: owned by a role that may log in and nothing else, with TLS by a CA of their own.
type temporalWorld struct {
	frontend, internal, metrics string // addresses
	ca                          string // file
	realm                       *realm
	superuser                   string // URL of the database
}

const storePassword = "store-password"

func newTemporalWorld(t *testing.T) *temporalWorld {
	stack, err := stacktest.Start(t.Context(), "--no-gateway")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(); err != nil {
			t.Error(err)
		}
	})
	etc := t.TempDir() // for /etc/temporal of the pods
	authority := certtest.New(t)
	own := authority.Issue(t, "127.0.0.1")
	if err := stack.SecureDatabase(t.Context(), own.Certificate, own.Key); err != nil {
		t.Fatal(err)
	}
	for file, content := range map[string][]byte{
		"database-ca/ca.crt": authority.Certificate, "frontend-tls/tls.crt": own.Certificate, "frontend-tls/tls.key": own.Key,
		"dynamic_config/dynamic_config.yaml": nil,
	} {
		writeFile(t, filepath.Join(etc, file), content)
	}
	database := cloudNativeDatabases(t, stack.PostgresURLs["superuser"])

	w := &temporalWorld{realm: newRealm(t), ca: filepath.Join(etc, "database-ca", "ca.crt"), superuser: stack.PostgresURLs["superuser"]}
	free := freePorts(t, 12)
	address := func() string { defer func() { free = free[1:] }(); return "127.0.0.1:" + strconv.Itoa(free[0]) }
	port := func() string { _, port, _ := net.SplitHostPort(address()); return port }
	w.frontend, w.internal, w.metrics = address(), address(), address()
	set := []string{
		"database.name=store", "database.visibilityName=store_visibility", "database.owner=store",
		"auth.enabled=true", "auth.keycloak.issuer=" + w.realm.URL, "auth.keycloak.jwksUri=" + w.realm.URL + "/keys",
		"auth.refreshInterval=1s", "auth.web.callbackUrl=http://127.0.0.1/auth/sso/callback", "auth.web.secret.name=web",
		"tls.frontend.enabled=true", "tls.frontend.issuerRef.name=ca",
		"temporal.server.config.metrics.prometheus.listenAddress=" + w.metrics,
		"temporal.server.config.persistence.numHistoryShards=4",
		"temporal.server.frontend.service.port=" + after(w.frontend), "temporal.server.frontend.service.httpPort=" + port(),
		"temporal.server.internal-frontend.service.port=" + after(w.internal), "temporal.server.internal-frontend.service.httpPort=" + port(),
		"temporal.server.history.service.port=" + port(), "temporal.server.matching.service.port=" + port(),
	}
	for _, service := range []string{"frontend", "internal-frontend", "history", "matching", "worker"} {
		set = append(set, "temporal.server."+service+".service.membershipPort="+port())
	}
	text := serverConfig(t, upstreamSees(t, helm.Options{Set: set}))
	// What the cluster would do: resolve the name of the database, and mount Secrets and ConfigMaps.
	text = strings.NewReplacer("bp-temporal-pg-rw:5432", database, "/etc/temporal/", etc+"/").Replace(text)
	file := filepath.Join(etc, "config_template.yaml")
	writeFile(t, file, []byte(text))
	w.run(t, file)
	return w
}

// run starts the server and waits until its frontends answer.
func (w *temporalWorld) run(t *testing.T, file string) {
	t.Helper()
	var out bytes.Buffer
	server := exec.Command(filepath.Join(helm.Root(), "bin", "stack"), "temporal", "--server-config", file)
	server.Env = append(os.Environ(), "POD_IP=127.0.0.1", "TEMPORAL_SERVICES=all",
		"TEMPORAL_DEFAULT_STORE_PASSWORD="+storePassword, "TEMPORAL_VISIBILITY_STORE_PASSWORD="+storePassword)
	server.Stdout, server.Stderr = &out, &out
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = server.Wait(); close(ended) }() // what it wrote says why
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGTERM)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = server.Process.Kill()
			<-ended
		}
		if t.Failed() {
			t.Logf("the server wrote\n%s", out.String())
		}
	})
	for _, address := range []string{w.internal, w.frontend} {
		client := w.client(t, address, "")
		until(t, ended, func(ctx context.Context) error {
			_, err := client.CheckHealth(ctx, nil)
			return err
		})
	}
}

// until waits for something that the server does in its own time.
func until(t *testing.T, ended <-chan struct{}, try func(context.Context) error) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		err := try(ctx)
		cancel()
		if err == nil {
			return
		}
		select {
		case <-ended:
			t.Fatal("the server ended")
		case <-time.After(200 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

// cloudNativeDatabases makes the databases and their owner, and returns the address of the server.
func cloudNativeDatabases(t *testing.T, superuser string) string {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), superuser)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	for _, statement := range []string{
		"CREATE ROLE store LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '" + storePassword + "'",
		"CREATE DATABASE store OWNER store", "CREATE DATABASE store_visibility OWNER store",
	} {
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatalf("%s: %v", statement, err)
		}
	}
	parsed, err := url.Parse(superuser)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Host
}

func writeFile(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// freePorts are ports below those that Linux gives to outgoing connections.
func freePorts(t *testing.T, n int) []int {
	t.Helper()
	var free []int
	for len(free) < n {
		port := 20_000 + random.IntN(12_768)
		listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		defer listener.Close()
		free = append(free, port)
	}
	return free
}

func after(address string) string {
	_, port, _ := strings.Cut(address, ":")
	return port
}
