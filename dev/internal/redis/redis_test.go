package redis_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/openova-io/llm-gateway/dev/internal/redis"
)

func TestFind(t *testing.T) {
	for name, c := range map[string]struct {
		files []string // programs of the machine
		want  string
	}{
		"nothing, and the embedded one it is": {},
		"what the user installed":             {files: []string{"path/redis-server", "bin/tools/redis-server"}, want: "path/redis-server"},
		"what make fetched":                   {files: []string{"bin/tools/redis-server"}, want: "bin/tools/redis-server"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range c.files {
				file = filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, nil, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			t.Setenv("PATH", filepath.Join(dir, "path"))
			want := c.want
			if want != "" {
				want = filepath.Join(dir, want)
			}
			if got := redis.Find(filepath.Join(dir, "bin", "stack")); got != want {
				t.Errorf("found %q, want %q", got, want)
			}
		})
	}
}
