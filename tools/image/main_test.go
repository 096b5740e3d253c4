package main

import (
	"context"
	"runtime"
	"strings"
	"testing"
)

func TestOneToolchainBuildsTheImages(t *testing.T) {
	if err := sameToolchain(module, runtime.Version()); err != nil {
		t.Error(err)
	}
	if err := sameToolchain("module m\n\ngo 1.2.3\n", "go1.2.4"); err == nil || !strings.Contains(err.Error(), "GOTOOLCHAIN=go1.2.3") {
		t.Errorf("the error is %v", err)
	}
}

func TestArgumentsThatAreNoFlags(t *testing.T) {
	if err := run(context.Background(), []string{"frontend"}); err == nil || !strings.Contains(err.Error(), "--help") {
		t.Errorf("the error is %v", err)
	}
}
