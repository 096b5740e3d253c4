package charts

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/serviceerror"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/openova-io/llm-gateway/internal/config"
	"github.com/openova-io/llm-gateway/internal/temporal"
	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/workflows"
)

// The server runs by what the chart makes, with every switch that concerns it on: TLS to the database and to the
// frontend, tokens, internal-frontend.
func TestTheServerRunsByWhatTheChartMakes(t *testing.T) {
	w := newTemporalWorld(t)
	t.Run("the Job sets it up", func(t *testing.T) { testSetup(t, w) })
	t.Run("a token may what its permissions say", func(t *testing.T) { testPermissions(t, w) })
	t.Run("the gateway's worker signs in with its client", func(t *testing.T) { testWorker(t, w) })
	t.Run("nothing goes in the clear", func(t *testing.T) { testTLS(t, w) })
}

// testSetup runs the Job twice and looks for what it promises. Without the CLI of Temporal, which the Job's image has,
// the same calls are made by the client; TestTheSetupScript has the script itself.
func testSetup(t *testing.T, w *temporalWorld) {
	cli := os.Getenv("TEMPORAL_CLI")
	if cli == "" {
		setUp(t, config.Temporal{Address: w.internal, Namespace: "llm-gateway", CreateNamespace: true, Retention: 72 * time.Hour})
	}
	t.Run("by its own script", func(t *testing.T) {
		if cli == "" {
			helm.Skip(t, "TEMPORAL_CLI=/path/to/temporal runs it")
		}
		for range 2 {
			job := newSetupScript(t, helm.Options{})
			job.add(t, "temporal", "#!/bin/sh\nexec "+cli+` "$@"`)
			job.Env = append(job.Env, "TEMPORAL_ADDRESS="+w.internal)
			if out, err := job.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		}
	})
	internal := w.client(t, w.internal, "")
	made, err := internal.WorkflowService().DescribeNamespace(t.Context(), &workflowservice.DescribeNamespaceRequest{Namespace: "llm-gateway"})
	if err != nil {
		t.Fatal(err)
	}
	if got := made.GetConfig().GetWorkflowExecutionRetentionTtl().AsDuration(); got != 72*time.Hour {
		t.Errorf("the namespace keeps workflows for %s", got)
	}
	known, err := internal.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: "llm-gateway"})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range workflows.Keywords() {
		if known.GetCustomAttributes()[name] != enumspb.INDEXED_VALUE_TYPE_KEYWORD {
			t.Errorf("the search attribute %s is %s", name, known.GetCustomAttributes()[name])
		}
	}
}

// setUp does what a worker of the gateway does first.
func setUp(t *testing.T, cfg config.Temporal) {
	t.Helper()
	c, err := temporal.Dial(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := temporal.Setup(ctx, c, cfg, temporal.Needs{Keywords: workflows.Keywords()}, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
}

// may are the calls that a caller tries.
var may = map[string]func(context.Context, client.Client) error{
	"start": func(ctx context.Context, c client.Client) error {
		_, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: "tried"}, "Nothing")
		return err
	},
	"poll": func(ctx context.Context, c client.Client) error {
		ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
		defer cancel()
		_, err := c.WorkflowService().PollWorkflowTaskQueue(ctx, &workflowservice.PollWorkflowTaskQueueRequest{
			Namespace: "llm-gateway", TaskQueue: &taskqueuepb.TaskQueue{Name: "tried"},
		})
		return err
	},
	"count": func(ctx context.Context, c client.Client) error {
		_, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{Namespace: "llm-gateway"})
		return err
	},
	"list namespaces": func(ctx context.Context, c client.Client) error {
		_, err := c.WorkflowService().ListNamespaces(ctx, &workflowservice.ListNamespacesRequest{})
		return err
	},
	"add an attribute": func(ctx context.Context, c client.Client) error {
		_, err := c.OperatorService().AddSearchAttributes(ctx, &operatorservice.AddSearchAttributesRequest{
			Namespace:        "llm-gateway",
			SearchAttributes: map[string]enumspb.IndexedValueType{"User": enumspb.INDEXED_VALUE_TYPE_KEYWORD},
		})
		if _, exists := errors.AsType[*serviceerror.AlreadyExists](err); exists {
			return nil
		}
		return err
	},
}

func testPermissions(t *testing.T, w *temporalWorld) {
	all := []string{"add an attribute", "count", "list namespaces", "poll", "start"}
	inNamespace := []string{"count", "poll", "start"}
	token := func(claims map[string]any) string { return w.realm.token(t, w.realm.key, claims) }
	for name, c := range map[string]struct {
		token string
		may   []string
	}{
		"no token":                          {"", nil},
		"not a token":                       {"nonsense", nil},
		"no permissions":                    {token(but(claims(), "permissions", nil)), nil},
		"read":                              {token(claims("llm-gateway:read")), []string{"count"}},
		"write, which workers need":         {token(claims("llm-gateway:write")), inNamespace},
		"worker, which is not enough":       {token(claims("llm-gateway:worker")), nil},
		"admin of the namespace":            {token(claims("llm-gateway:admin")), []string{"add an attribute", "count", "poll", "start"}},
		"write elsewhere":                   {token(claims("other:write")), nil},
		"read of everything":                {token(claims("temporal-system:read")), []string{"count", "list namespaces"}},
		"read of everything and write here": {token(claims("temporal-system:read", "llm-gateway:write")), []string{"count", "list namespaces", "poll", "start"}},
		"admin of everything":               {token(claims("temporal-system:admin")), all},
		"expired":                           {token(but(claims("temporal-system:admin"), "exp", time.Now().Add(-time.Minute).Unix())), nil},
		"for somebody else":                 {token(but(claims("temporal-system:admin"), "aud", "account")), nil},
		"for nobody":                        {token(but(claims("temporal-system:admin"), "aud", nil)), nil},
		"of nobody":                         {token(but(claims("temporal-system:admin"), "sub", nil)), nil},
		"by another issuer, not looked at":  {token(but(claims("llm-gateway:write"), "iss", "https://elsewhere.example.org")), inNamespace},
		"signed by another key":             {w.realm.token(t, w.realm.strange, claims("temporal-system:admin")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			caller := w.client(t, w.frontend, c.token)
			for _, what := range all {
				err := may[what](t.Context(), caller)
				_, denied := errors.AsType[*serviceerror.PermissionDenied](err)
				switch want := slices.Contains(c.may, what); {
				case want && err != nil && !errors.Is(err, context.DeadlineExceeded):
					t.Errorf("%s: %v", what, err)
				case !want && !denied:
					t.Errorf("%s: not denied, but %v", what, err)
				}
			}
		})
	}
}

// testWorker connects as the gateway's worker does, with the grant of its client and the CA of the frontend.
func testWorker(t *testing.T, w *temporalWorld) {
	secret := filepath.Join(t.TempDir(), "secret")
	writeFile(t, secret, []byte("worker-secret\n"))
	setUp(t, config.Temporal{
		Address: w.frontend, Namespace: "llm-gateway",
		TLS:  config.TemporalTLS{Enabled: true, CAFile: w.ca},
		Auth: config.TemporalAuth{TokenURL: w.realm.URL + "/token", ClientID: "gateway-worker", ClientSecretFile: secret},
	})
}

func testTLS(t *testing.T, w *temporalWorld) {
	plain, err := client.NewLazyClient(client.Options{HostPort: w.frontend, ConnectionOptions: client.ConnectionOptions{TLSDisabled: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := plain.CheckHealth(ctx, nil); err == nil {
		t.Error("the frontend answers without TLS")
	}
	admin, err := pgx.Connect(ctx, w.superuser)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.Background())
	var secured, clear int
	const count = `SELECT count(*) FILTER (WHERE ssl), count(*) FILTER (WHERE NOT ssl)
		FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename = 'store'`
	if err := admin.QueryRow(ctx, count).Scan(&secured, &clear); err != nil {
		t.Fatal(err)
	}
	if secured == 0 || clear > 0 {
		t.Errorf("%d connections to the database with TLS, %d without", secured, clear)
	}
}

// client calls one of the frontends, the one for everybody over TLS and with a token unless that is "".
func (w *temporalWorld) client(t *testing.T, address, token string) client.Client {
	t.Helper()
	connection := client.ConnectionOptions{TLSDisabled: true}
	if address == w.frontend {
		text, err := os.ReadFile(w.ca)
		if err != nil {
			t.Fatal(err)
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(text)
		connection = client.ConnectionOptions{TLS: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	}
	options := client.Options{HostPort: address, Namespace: "llm-gateway", ConnectionOptions: connection}
	if token != "" {
		options.HeadersProvider = bearer(token)
	}
	c, err := client.NewLazyClient(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

type bearer string

func (b bearer) GetHeaders(context.Context) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}
