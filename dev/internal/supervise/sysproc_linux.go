package supervise

import "syscall"

// sysProcAttr puts the child in a process group of its own, so that Ctrl-C on
// the terminal reaches only the supervisor and the children are stopped in
// order, and has the kernel kill it when the supervisor dies. SIGKILL, because
// a frozen child would not see any other signal.
func sysProcAttr(credential *syscall.Credential) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Credential: credential, Pdeathsig: syscall.SIGKILL}
}
