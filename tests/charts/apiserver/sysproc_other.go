//go:build !linux

package apiserver

import "syscall"

// sysProcAttr keeps Ctrl-C of the terminal from the child, which is stopped in order. There is no portable way to tie
// its life to that of the test.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true}
}
