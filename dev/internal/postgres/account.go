package postgres

import (
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// nobody is the uid and gid used when there is no postgres user.
const nobody = 65534

// account is the user that runs the server; nil means the current one.
type account struct{ uid, gid uint32 }

// currentAccount returns the user to run the server as.
func currentAccount() *account {
	if os.Geteuid() != 0 {
		return nil
	}
	known, err := user.Lookup("postgres")
	if err != nil {
		return &account{uid: nobody, gid: nobody}
	}
	uid, uidErr := strconv.ParseUint(known.Uid, 10, 32)
	gid, gidErr := strconv.ParseUint(known.Gid, 10, 32)
	if uidErr != nil || gidErr != nil {
		return &account{uid: nobody, gid: nobody}
	}
	return &account{uid: uint32(uid), gid: uint32(gid)}
}

// credential is the account in the form that starting a process wants it.
func (a *account) credential() *syscall.Credential {
	if a == nil {
		return nil
	}
	return &syscall.Credential{Uid: a.uid, Gid: a.gid}
}

// own gives a path to the account.
func (a *account) own(path string) error {
	if a == nil {
		return nil
	}
	if err := os.Lchown(path, int(a.uid), int(a.gid)); err != nil {
		return fmt.Errorf("give %s to uid %d: %w", path, a.uid, err)
	}
	return nil
}

// canReach reports whether the account may pass through every directory above
// path. Directories that do not exist yet will be created passable.
func (a *account) canReach(path string) bool {
	if a == nil {
		return true
	}
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err == nil && !a.mayEnter(info) {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// mayEnter reports whether the account has the search permission of a directory.
func (a *account) mayEnter(info os.FileInfo) bool {
	bit := os.FileMode(0o001)
	if stat, ok := info.Sys().(*syscall.Stat_t); ok {
		switch {
		case stat.Uid == a.uid:
			bit = 0o100
		case stat.Gid == a.gid:
			bit = 0o010
		}
	}
	return info.Mode()&bit != 0
}
