package keycloak

import (
	"os"
	"path/filepath"
	"testing"
)

// logs is what each process wrote so far.
func (w *world) logs(t *testing.T) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.Dir, "log", "*.log"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no logs in %s: %v", w.Dir, err)
	}
	texts := map[string][]byte{}
	for _, file := range files {
		if texts[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return texts
}
