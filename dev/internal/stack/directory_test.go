package stack

import (
	"os"
	"path/filepath"
	"testing"
)

func TestFreshEmptiesAStateDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run")
	for range 2 {
		d, err := openDirectory(path, true, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(d.file("a-key")); !os.IsNotExist(err) {
			t.Error("the state of the last time is still there")
		}
		if err := d.writeSecret("a-key", "content"); err != nil {
			t.Fatal(err)
		}
		if _, err := openDirectory(path, true, false); err == nil {
			t.Error("a directory in use was opened again")
		}
		if _, err := os.Stat(d.file("a-key")); err != nil {
			t.Error("a directory in use was emptied")
		}
		if err := d.close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStateSurvivesWithoutFresh(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run")
	d, err := openDirectory(path, false, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.writeSecret("a-key", "content"); err != nil {
		t.Fatal(err)
	}
	if err := d.writeSecret(stateFile, "{}"); err != nil {
		t.Fatal(err)
	}
	if err := d.close(); err != nil {
		t.Fatal(err)
	}
	d, err = openDirectory(path, false, false)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	if _, err := os.Stat(d.file("a-key")); err != nil {
		t.Error("the state is gone")
	}
	if _, err := os.Stat(d.file(stateFile)); !os.IsNotExist(err) {
		t.Error("a stale state file was left for scripts to find")
	}
}
