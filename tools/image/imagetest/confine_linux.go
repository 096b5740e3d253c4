package imagetest

import (
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Confine has a command run with dir as its root, as another user: for root, that user; for everybody else, a user
// namespace in which they are it.
func Confine(cmd *exec.Cmd, dir string, as User) error {
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: as.UID, Gid: as.GID}}
		return nil
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Chroot: dir, Cloneflags: syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: int(as.UID), HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: int(as.GID), HostID: os.Getgid(), Size: 1}},
	}
	return nil
}

// Impossible says why no image can be run here; nil if it can.
func Impossible() error {
	cmd := exec.Command("/bin/true")
	if err := Confine(cmd, "/", User{UID: 65532, GID: 65532}); err != nil {
		return err
	}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("images are run in a chroot, which needs root or user namespaces: %w", err)
	}
	return nil
}
