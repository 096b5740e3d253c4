package stack_test

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/openova-io/llm-gateway/dev/internal/stack"
	"github.com/openova-io/llm-gateway/dev/internal/supervise"
)

// options are those of a test: free ports, nothing left behind, a fake gateway.
func options(t *testing.T) stack.Options {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := stack.DefaultOptions()
	o.Dir = filepath.Join(t.TempDir(), "run")
	o.RandomPorts, o.Fresh, o.Ephemeral = true, true, true
	o.Shards = 4
	o.FrontendBinary, o.WorkerBinary = self, self
	o.Out = t.Output()
	return o
}

// readState reads the state file.
func readState(t *testing.T, dir string) stack.State {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(dir, "stack.json"))
	if err != nil {
		t.Fatal(err)
	}
	var state stack.State
	if err := json.Unmarshal(content, &state); err != nil {
		t.Fatal(err)
	}
	return state
}

// control calls the control API and wants the status.
func control(t *testing.T, state stack.State, path string, status int) supervise.Info {
	t.Helper()
	response, err := http.Post(state.Control+path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var info supervise.Info
	if err := json.NewDecoder(response.Body).Decode(&info); err != nil || response.StatusCode != status {
		t.Fatalf("POST %s: %s %+v %v, want %d", path, response.Status, info, err, status)
	}
	return info
}

func listens(address string) bool {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return false
	}
	connection.Close()
	return true
}

func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("did not happen in time: %s", what)
		}
	}
}

func exists(pid int) bool { return syscall.Kill(pid, 0) == nil }

func TestWholeStackComesUpTakesFaultsAndGoesAway(t *testing.T) {
	if testing.Short() {
		t.Skip("starts every server")
	}
	o := options(t)
	o.Frontends = 2
	o.Set = []string{"audit.mode=async"}
	s, err := stack.New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	state := readState(t, o.Dir)

	t.Run("the state file lists every process and URL", func(t *testing.T) {
		for _, name := range []string{"stack", "postgres", "temporal", "redis", "worker", "frontend", "frontend-2"} {
			if !exists(state.PIDs[name]) {
				t.Errorf("no process %s: %v", name, state.PIDs)
			}
		}
		if len(state.Frontends) != 2 || state.Gateway != state.Frontends[0] || len(state.Tokens) != 4 {
			t.Errorf("state: %+v", state)
		}
		for name, url := range state.Metrics {
			if get(t, url) == "" {
				t.Errorf("no metrics of %s", name)
			}
		}
		if env, err := os.ReadFile(filepath.Join(o.Dir, "claude-pro.env")); err != nil || !strings.Contains(string(env), state.Tokens["pro"]) {
			t.Errorf("claude-pro.env: %v", err)
		}
	})
	t.Run("--set reaches the configuration", func(t *testing.T) {
		content, err := os.ReadFile(filepath.Join(o.Dir, "frontend-2.yaml"))
		if err != nil || !strings.Contains(string(content), "mode: async") {
			t.Errorf("%v\n%s", err, content)
		}
	})
	t.Run("every provider has its mock, and the frontends have its credential", func(t *testing.T) {
		content, err := os.ReadFile(filepath.Join(o.Dir, "frontend.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"anthropic", "internal", "openai", "standby", "bedrock", "vertex"} {
			if url := state.Models[name]; get(t, url+"/mock/stats") == "" || !strings.Contains(string(content), "base_url: "+url+"\n") {
				t.Errorf("%s is at %q, and the configuration\n%s", name, url, content)
			}
		}
		credentials := get(t, state.Gateway+"/?env=GOOGLE_APPLICATION_CREDENTIALS")
		file, err := os.ReadFile(credentials)
		if err != nil || !strings.Contains(string(file), state.Models["vertex"]+"/token") {
			t.Errorf("Google's credentials: %v %s", err, file)
		}
		if get(t, state.Gateway+"/?env=AWS_ACCESS_KEY_ID") == "" {
			t.Error("no credentials for AWS")
		}
	})
	t.Run("the web interface opens on the namespace", func(t *testing.T) {
		if got := get(t, state.TemporalUI+"/api/v1/settings"); !strings.Contains(got, `"DefaultNamespace":"llm-gateway"`) {
			t.Errorf("settings: %s", got)
		}
	})
	t.Run("a killed frontend comes back under a new pid", func(t *testing.T) {
		info := control(t, state, "/kill/frontend?wait=true", http.StatusOK)
		if info.PID == state.PIDs["frontend"] || info.Restarts != 1 || get(t, state.Gateway+"/ready") == "" {
			t.Errorf("after the kill: %+v", info)
		}
		if got := readState(t, o.Dir).PIDs["frontend"]; got != info.PID {
			t.Errorf("the state file has pid %d, want %d", got, info.PID)
		}
	})
	t.Run("a workflow survives a kill of temporal and of postgres", func(t *testing.T) { killServers(t, state) })
	t.Run("a frozen database answers again after it is resumed", func(t *testing.T) {
		control(t, state, "/pause/postgres", http.StatusOK)
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		if connection, err := pgx.Connect(ctx, state.PostgresURL); err == nil {
			connection.Close(ctx)
			t.Error("a frozen database takes connections")
		}
		control(t, state, "/resume/postgres", http.StatusOK)
		if err := ping(t, state.PostgresURL); err != nil {
			t.Error(err)
		}
	})
	t.Run("what is stopped stays stopped until it is started", func(t *testing.T) {
		for name, address := range map[string]string{
			"redis":    strings.TrimSuffix(strings.TrimPrefix(state.RedisURL, "redis://"), "/0"),
			"issuer":   strings.TrimPrefix(state.Issuer, "http://"),
			"frontend": strings.TrimPrefix(state.Gateway, "http://"),
		} {
			control(t, state, "/stop/"+name, http.StatusOK)
			if listens(address) {
				t.Errorf("%s still listens", name)
			}
			control(t, state, "/start/"+name, http.StatusOK)
			if !listens(address) {
				t.Errorf("%s does not listen", name)
			}
		}
	})
	t.Run("the backends fail apart", func(t *testing.T) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, state.InternalModel+"/mock/faults", strings.NewReader(`{"status":529}`))
		if err != nil {
			t.Fatal(err)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if internal, main := get(t, state.InternalModel+"/mock/faults"), get(t, state.Model+"/mock/faults"); !strings.Contains(internal, "529") || strings.Contains(main, "529") {
			t.Errorf("faults: %s and %s", internal, main)
		}
	})
	t.Run("redis can be flushed, and what does not exist is an error", func(t *testing.T) {
		control(t, state, "/flush/redis", http.StatusOK)
		control(t, state, "/stop/nothing", http.StatusNotFound)
		control(t, state, "/pause/model", http.StatusConflict)
		control(t, state, "/kill/control", http.StatusConflict)
	})

	state = readState(t, o.Dir)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	for name, pid := range state.PIDs {
		if name != "stack" && exists(pid) {
			t.Errorf("%s is still there", name)
		}
	}
	if _, err := os.Stat(o.Dir); !os.IsNotExist(err) {
		t.Errorf("the ephemeral state is still there: %v", err)
	}
}

func ping(t *testing.T, url string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	connection, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	return connection.Close(ctx)
}

// killServers starts a workflow and kills everything below it.
func killServers(t *testing.T, state stack.State) {
	connection, err := grpc.NewClient(state.TemporalAddress, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	client := workflowservice.NewWorkflowServiceClient(connection)
	_, err = client.RegisterNamespace(t.Context(), &workflowservice.RegisterNamespaceRequest{
		Namespace: state.Namespace, WorkflowExecutionRetentionPeriod: durationpb.New(24 * time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	start := &workflowservice.StartWorkflowExecutionRequest{
		Namespace: state.Namespace, WorkflowId: "kept", RequestId: "one",
		WorkflowType: &common.WorkflowType{Name: "Request"}, TaskQueue: &taskqueue.TaskQueue{Name: "queue"},
	}
	eventually(t, "the namespace is known to all services", func() bool {
		_, err = client.StartWorkflowExecution(t.Context(), start)
		return err == nil
	})
	control(t, state, "/kill/temporal?down=true", http.StatusOK)
	if listens(state.TemporalAddress) {
		t.Error("temporal still listens")
	}
	control(t, state, "/kill/postgres?wait=true", http.StatusOK)
	control(t, state, "/start/temporal", http.StatusOK)
	eventually(t, "the workflow is found again", func() bool {
		_, err := client.DescribeWorkflowExecution(t.Context(), &workflowservice.DescribeWorkflowExecutionRequest{
			Namespace: state.Namespace, Execution: &common.WorkflowExecution{WorkflowId: "kept"},
		})
		return err == nil
	})
}
