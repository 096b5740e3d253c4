package apiserver

import "syscall"

// sysProcAttr keeps Ctrl-C of the terminal from the child, which is stopped in order, and has the kernel kill it when
// the test dies, as one does that ran into its time limit.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
