//go:build !linux

package imagetest

import (
	"errors"
	"os/exec"
)

// Confine has a command run with dir as its root, as another user.
func Confine(*exec.Cmd, string, User) error { return Impossible() }

// Impossible says why no image can be run here.
func Impossible() error { return errors.New("images are run on Linux only") }
