package cli

import (
	"context"
	"os/exec"
	"runtime"
	"strings"
)

// openBrowser shows a page, and does not wait for its reader.
func openBrowser(ctx context.Context, page string) error {
	if !strings.HasPrefix(page, "https://") && !strings.HasPrefix(page, "http://") {
		return exec.ErrNotFound // what an identity provider names is not to start other programs
	}
	argv := []string{"xdg-open", page}
	switch runtime.GOOS {
	case "darwin":
		argv[0] = "open"
	case "windows":
		argv = []string{"rundll32", "url.dll,FileProtocolHandler", page}
	}
	return exec.CommandContext(context.WithoutCancel(ctx), argv[0], argv[1:]...).Start() //nolint:gosec // the program is fixed, the page an address
}
