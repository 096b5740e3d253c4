//go:build !linux

package supervise

import "syscall"

// sysProcAttr puts the child in a process group of its own, so that Ctrl-C on
// the terminal reaches only the supervisor and the children are stopped in
// order. There is no portable way to tie a child's life to its parent's.
func sysProcAttr(credential *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential}
}
