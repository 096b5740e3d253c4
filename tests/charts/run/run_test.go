//go:build linux

package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/enums/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/kubelet"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// gatewayValues is what the gateway's operator would choose here: where things are, and short waits. The rest is
// ci/smoke-values.yaml and the chart's defaults.
const gatewayValues = `
keycloak: {enabled: %t, issuer: %q}
frontend: {records: {enabled: true}}
sealKey: {source: store}
adapter: {enabled: true}
credentials:
  internal: {files: {token: {key: llm-gateway/internal, property: token}}}
config:
  http: {drain_delay: 1s}
  worker: {seal_interval: 1s}
  backends:
    - {name: anthropic, dialects: [anthropic], base_url: "http://claude",
       auth: {mode: operator, token_file: /etc/llm-gateway/credentials/anthropic/token}}
    - {name: internal, dialects: [anthropic, openai], base_url: "http://vllm/internal",
       auth: {mode: bearer, token_file: /etc/llm-gateway/credentials/internal/token}}
  tiers:
    enterprise:
      routes:
        - {match: by-the-adapter, backend: anthropic-adapter, model: claude-haiku-5-5}
        - {match: claude, backend: anthropic}
        - {match: "*", backend: internal}
`

// adapterValues is what the adapter's operator would choose.
const adapterValues = `
adapter:
  anthropic: {baseUrl: "http://claude"}
  drain: {delaySeconds: 1}
`

// What the charts render is what runs: an adapter, a migration, a worker and a frontend answer clients, put every request on
// record, settle it, and leave when they are told to.
func TestWhatIsRenderedRuns(t *testing.T) {
	w := newWorld(t)
	w.namespace(t)
	adapter := w.adapter(t)
	objects := w.render(t, fmt.Sprintf(gatewayValues, true, w.Issuer))
	w.dependencies(t, objects)
	w.install(t, objects)
	worker := w.deployment(t, objects, "gw-bp-llm-gateway-worker")
	frontend := w.deployment(t, objects, "gw-bp-llm-gateway-frontend")

	t.Run("before the migration", func(t *testing.T) { unready(t, frontend, worker) })
	t.Run("the migration", func(t *testing.T) {
		jobs := objects.Kind("Job")
		if len(jobs) != 1 {
			t.Fatalf("there are %d Jobs", len(jobs))
		}
		if err := w.node.Start(t, manifest.Into[batchv1.Job](t, jobs[0]).Spec.Template).Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	if t.Failed() {
		return
	}
	worker.WaitReady(t)
	frontend.WaitReady(t)

	t.Run("the probes", func(t *testing.T) {
		for name, pod := range map[string]*kubelet.Pod{"frontend": frontend, "worker": worker, "adapter": adapter} {
			if err := pod.Live(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		for url, pod := range map[string]*kubelet.Pod{"http://frontend:9464": frontend, "http://worker:9464": worker, "http://adapter:8080": adapter} {
			if got := ask(t, pod, url+"/metrics", "", ""); got.status != http.StatusOK || !strings.Contains(got.body, "go_goroutines") {
				t.Errorf("%s/metrics: %d", url, got.status)
			}
		}
	})
	t.Run("a request is answered, on record, settled, shown and sealed", func(t *testing.T) { w.request(t, frontend) })
	t.Run("a request by the adapter", func(t *testing.T) { w.translated(t, frontend) })
	t.Run("the end", func(t *testing.T) {
		for name, pod := range map[string]*kubelet.Pod{"frontend": frontend, "worker": worker, "adapter": adapter} {
			if took := pod.Stop(t); took > 20*time.Second {
				t.Errorf("the %s took %s to leave, with nothing to do", name, took.Round(time.Second))
			}
		}
	})
	t.Run("without an identity provider nobody is served", func(t *testing.T) { w.closed(t) })
}

// unready looks at what waits for the database's schema: nothing keeps pods from starting before the migration has run.
func unready(t *testing.T, frontend, worker *kubelet.Pod) {
	t.Helper()
	for name, pod := range map[string]*kubelet.Pod{"frontend": frontend, "worker": worker} {
		eventually(t, "the "+name+" lives", func() error { return pod.Live(t.Context()) })
		if err := pod.Ready(t.Context()); err == nil {
			t.Errorf("the %s says that it is ready", name)
		}
	}
	if got := ask(t, frontend, "http://frontend:8000/ready", "", ""); !strings.Contains(got.body, `"schema":"failing"`) {
		t.Errorf("the frontend does not say what it waits for: %s", got.body)
	}
	eventually(t, "the worker says what it waits for", func() error {
		if !strings.Contains(worker.Log(), "run worker migrate") {
			return errors.New(worker.Log())
		}
		return nil
	})
}

// render renders bp-llm-gateway.
func (w *world) render(t *testing.T, text string) manifest.Objects {
	t.Helper()
	return helm.Prepare(t, "bp-llm-gateway").Render(t, helm.Tools(t)[0], helm.Options{Release: "gw", Values: []string{helm.ValuesFile(t, text)}})
}

// dependencies puts Redis and Temporal where the rendered configuration looks for them.
func (w *world) dependencies(t *testing.T, objects manifest.Objects) {
	t.Helper()
	var config struct {
		Redis    struct{ URL string }
		Temporal struct{ Address string }
	}
	text := manifest.Into[corev1.ConfigMap](t, objects.Find(t, "ConfigMap", "gw-bp-llm-gateway-config")).Data["config.yaml"]
	if err := yaml.Unmarshal([]byte(text), &config); err != nil {
		t.Fatal(err)
	}
	w.node.Service(host(t, config.Redis.URL), kubelet.To(host(t, w.RedisURL)))
	w.node.Service(config.Temporal.Address, kubelet.To(w.TemporalAddress))
}

// deployment starts one pod of a Deployment.
func (w *world) deployment(t *testing.T, objects manifest.Objects, name string) *kubelet.Pod {
	t.Helper()
	return w.node.Start(t, manifest.Into[appsv1.Deployment](t, objects.Find(t, "Deployment", name)).Spec.Template)
}

// adapter installs bp-anthropic-adapter, under the name that the gateway's chart expects.
func (w *world) adapter(t *testing.T) *kubelet.Pod {
	t.Helper()
	objects := helm.Prepare(t, "bp-anthropic-adapter").Render(t, helm.Tools(t)[0], helm.Options{Values: []string{helm.ValuesFile(t, adapterValues)}})
	w.install(t, objects)
	w.node.Secret("claude-subscription", map[string]string{"oauth_token": w.store["llm-gateway/anthropic/token"]}) // of ci/smoke-values.yaml
	pod := w.deployment(t, objects, "bp-anthropic-adapter")
	pod.WaitReady(t)
	w.node.Service("bp-anthropic-adapter:8080", pod.To("8080"))
	return pod
}

// request sends a request as a new user with a quota, and follows it to its settlement and its seal by the rendered worker.
func (w *world) request(t *testing.T, frontend *kubelet.Pod) {
	token, err := w.NewUser(t.Context(), "pro")
	if err != nil {
		t.Fatal(err)
	}
	got := ask(t, frontend, "http://frontend:8000/v1/messages", token,
		`{"model":"claude-opus-5-5","max_tokens":64,"stream":true,"messages":[{"role":"user","content":"as rendered"}]}`)
	if got.status != http.StatusOK || !strings.Contains(got.body, "message_stop") {
		t.Fatalf("%d: %s", got.status, got.body)
	}
	id := got.header.Get("request-id")
	charged := w.ledger(t, id, "anthropic")
	eventually(t, "the quota is settled", func() error {
		var quota struct{ Requests, Tokens struct{ Used int64 } }
		text := ask(t, frontend, "http://frontend:8000/quota", token, "").body
		if err := json.Unmarshal([]byte(text), &quota); err != nil {
			return err
		}
		if quota.Requests.Used != 1 || quota.Tokens.Used != charged {
			return fmt.Errorf("used are %s; charged were 1 request and %d tokens", text, charged)
		}
		return nil
	})
	eventually(t, "the workflow has ended", func() error {
		run, err := w.temporal.DescribeWorkflowExecution(t.Context(), id, "")
		if err == nil && run.GetWorkflowExecutionInfo().GetStatus() != enums.WORKFLOW_EXECUTION_STATUS_COMPLETED {
			err = errors.New(run.GetWorkflowExecutionInfo().GetStatus().String())
		}
		return err
	})
	if got := ask(t, frontend, "http://frontend:8000/v1/models", "not a token", ""); got.status != http.StatusUnauthorized {
		t.Errorf("without a token: %d: %s", got.status, got.body)
	}
	if got := ask(t, frontend, "http://frontend:8000/api/requests/"+id+"/request", token, ""); got.status != http.StatusOK || !strings.Contains(got.body, "as rendered") {
		t.Errorf("what the record shows: %d: %s", got.status, got.body)
	}
	eventually(t, "a signed seal has the request", func() error { return w.sealed(t, id) })
}

// sealed looks for the seal of a request, which the rendered worker's key has signed.
func (w *world) sealed(t *testing.T, id string) error {
	db, err := pgx.Connect(t.Context(), w.database(t, "llmgw"))
	if err != nil {
		return err
	}
	defer db.Close(t.Context())
	var seals int
	const of = "SELECT count(*) FROM seals WHERE $1 BETWEEN first_id AND last_id AND signature IS NOT NULL"
	if err = db.QueryRow(t.Context(), of, id).Scan(&seals); err == nil && seals != 1 {
		err = fmt.Errorf("%d signed seals have it", seals)
	}
	return err
}

// translated sends a request that the gateway gives to the adapter.
func (w *world) translated(t *testing.T, frontend *kubelet.Pod) {
	token, err := w.NewUser(t.Context(), "enterprise")
	if err != nil {
		t.Fatal(err)
	}
	got := ask(t, frontend, "http://frontend:8000/v1/chat/completions", token,
		`{"model":"by-the-adapter","messages":[{"role":"user","content":"as rendered"}]}`)
	if got.status != http.StatusOK || !strings.Contains(got.body, "as rendered") {
		t.Fatalf("%d: %s", got.status, got.body)
	}
	w.ledger(t, got.header.Get("x-request-id"), "anthropic-adapter")
}

// ledger waits for the row of a request, and returns the tokens that were charged.
func (w *world) ledger(t *testing.T, id, backend string) (tokens int64) {
	t.Helper()
	db, err := pgx.Connect(t.Context(), w.database(t, "llmgw"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(t.Context())
	eventually(t, "the request is in the ledger", func() error {
		var status, by string
		if err := db.QueryRow(t.Context(), "SELECT status, backend, charge_tokens FROM ledger WHERE id = $1", id).Scan(&status, &by, &tokens); err != nil {
			return err
		}
		if status != "completed" || by != backend || tokens == 0 {
			t.Fatalf("on record as %s by %s, %d tokens", status, by, tokens)
		}
		return nil
	})
	return tokens
}

// closed starts the frontend of a release that has no identity provider.
func (w *world) closed(t *testing.T) {
	objects := w.render(t, fmt.Sprintf(gatewayValues, false, ""))
	for _, o := range objects.Kind("ConfigMap") { // all else is there
		w.install(t, manifest.Objects{o})
	}
	frontend := w.deployment(t, objects, "gw-bp-llm-gateway-frontend")
	eventually(t, "it lives", func() error { return frontend.Live(t.Context()) })
	token, err := w.NewUser(t.Context(), "enterprise")
	if err != nil {
		t.Fatal(err)
	}
	for path, body := range map[string]string{"/v1/models": "", "/v1/messages": `{"model":"claude-opus-5-5","max_tokens":1,"messages":[]}`} {
		got := ask(t, frontend, "http://frontend:8000"+path, token, body)
		if got.status != http.StatusServiceUnavailable || !strings.Contains(got.body, "set oidc.issuer") {
			t.Errorf("%s: %d: %s", path, got.status, got.body)
		}
	}
	time.Sleep(2 * time.Second) // whatever is still to come up is up by now
	if err := frontend.Ready(t.Context()); err == nil {
		t.Error("it says that it is ready")
	}
}
