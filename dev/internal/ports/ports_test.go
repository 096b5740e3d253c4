package ports

import (
	"errors"
	"strings"
	"testing"
)

func TestTakenPortNamesPortPurposeAndFlag(t *testing.T) {
	other := NewSet(true)
	defer other.Close()
	port, err := other.Choose(0, "somebody else", "other-port")
	if err != nil {
		t.Fatal(err)
	}

	_, err = NewSet(false).Choose(port, "the gateway", "port")

	var taken *TakenError
	if !errors.As(err, &taken) || taken.Port != port {
		t.Fatalf("Choose = %v, want a TakenError for port %d", err, port)
	}
	for _, want := range []string{"the gateway", "--port N", "--random-ports"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not mention %q: %v", want, err)
		}
	}
}

func TestHeldPortIsFreeAfterRelease(t *testing.T) {
	set := NewSet(true)
	defer set.Close()
	port, err := set.Choose(0, "test", "test-port")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen(port); err == nil {
		t.Fatal("the port can be taken while it is held")
	}
	set.Release(port)
	listener, err := listen(port)
	if err != nil {
		t.Fatalf("the port is not free after its release: %v", err)
	}
	listener.Close()
}

func TestRandomSetIgnoresTheWishAndNeverRepeats(t *testing.T) {
	set := NewSet(true)
	defer set.Close()
	seen := map[int]bool{}
	for range 50 {
		port, err := set.Choose(8000, "test", "test-port")
		if err != nil {
			t.Fatal(err)
		}
		if port == 8000 || seen[port] {
			t.Fatalf("port %d: asked for or handed out before", port)
		}
		seen[port] = true
	}
}

func TestTakeHandsOverOnce(t *testing.T) {
	set := NewSet(true)
	port, err := set.Choose(0, "test", "test-port")
	if err != nil {
		t.Fatal(err)
	}
	listener, err := set.Take(port)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if _, err := set.Take(port); err == nil {
		t.Fatal("the same listener was handed over twice")
	}
	set.Release(port) // must not close a listener that was handed over
	if err := set.Close(); err != nil {
		t.Fatal(err)
	}
}
