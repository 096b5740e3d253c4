package apiserver_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/charts/apiserver"
	"github.com/openova-io/llm-gateway/tests/charts/helm"
	"github.com/openova-io/llm-gateway/tests/charts/manifest"
)

// server is shared by the tests, each of which has namespaces of its own: it takes seconds to start.
var server *apiserver.Server

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	begin := time.Now()
	var err error
	if server, err = apiserver.Start(context.Background(), filepath.Join(helm.Root(), "bin", "tools")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() {
		memory, err := server.Close()
		fmt.Printf("apiserver: kube-apiserver and etcd held at most %d MB\n", memory>>20)
		if err != nil {
			fmt.Fprintln(os.Stderr, "stop the API server:", err)
		}
	}()
	started := time.Now()
	if err := defineKinds(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Printf("apiserver: ready after %v, custom kinds after %v more\n",
		started.Sub(begin).Round(time.Millisecond), time.Since(started).Round(time.Millisecond))
	return helm.Run(m)
}

// defineKinds creates the custom kinds that the charts make objects of, as their operators' charts do.
func defineKinds(ctx context.Context) error {
	files, err := manifest.DefinitionFiles()
	if err != nil {
		return err
	}
	var all []*unstructured.Unstructured
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		definition := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(text, &definition.Object); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if _, err := server.Client.Apply(ctx, definition, text, "", false); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		all = append(all, definition)
	}
	for _, definition := range all {
		if err := waitEstablished(ctx, definition); err != nil {
			return err
		}
	}
	return nil
}

func waitEstablished(ctx context.Context, definition *unstructured.Unstructured) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for {
		now, err := server.Client.Get(ctx, definition, "")
		if err != nil {
			return err
		}
		conditions, _, _ := unstructured.NestedSlice(now.Object, "status", "conditions")
		for _, condition := range conditions {
			if c, ok := condition.(map[string]any); ok && c["type"] == "Established" && c["status"] == "True" {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not established: %w", definition.GetName(), ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
