package oci

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// devTag is the tag of what is in no commit. The charts take commits only, so it is for a look at an image, not for a cluster.
const devTag = "dev"

// source is what images are built of.
type source struct {
	Tag     string // the commit, in full, or devTag; it is the version that the commands tell
	Created time.Time
	Roots   string // version of the certificates
}

// identify finds out which commit a directory is. Unless dev is set, a tree that is not exactly a commit is refused: its
// images would carry the name of something that nobody else can build.
func identify(ctx context.Context, root string, dev bool, epoch string) (source, error) {
	src := source{Tag: devTag, Created: time.Unix(0, 0).UTC()}
	if !dev {
		tag, created, err := commit(ctx, root)
		if err != nil {
			return src, err
		}
		src = source{Tag: tag, Created: created}
	}
	if epoch != "" {
		seconds, err := strconv.ParseInt(epoch, 10, 64)
		if err != nil {
			return src, fmt.Errorf("SOURCE_DATE_EPOCH is %q; it must be the seconds since 1970", epoch)
		}
		src.Created = time.Unix(seconds, 0).UTC()
	}
	return src, nil
}

// commit is the commit that is checked out, and its time.
func commit(ctx context.Context, root string) (string, time.Time, error) {
	head, err := git(ctx, root, "log", "-1", "--format=%H %ct")
	if err != nil {
		return "", time.Time{}, fmt.Errorf("images are named by their commit, and none is found: build in a clone with git, or with --dev: %w", err)
	}
	changes, err := git(ctx, root, "status", "--porcelain")
	if err != nil {
		return "", time.Time{}, err
	}
	if changes != "" {
		return "", time.Time{}, fmt.Errorf("the working tree has changes that are in no commit: commit them, or build with --dev, which tags the images %q\n%s",
			devTag, first(changes, 5))
	}
	sha, seconds, _ := strings.Cut(head, " ")
	unix, err := strconv.ParseInt(seconds, 10, 64)
	return sha, time.Unix(unix, 0).UTC(), err
}

// git runs git in a directory and returns what it says.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...) //nolint:gosec // all arguments are in this file
	cmd.Dir = dir
	out, err := cmd.Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		err = fmt.Errorf("git %s: %w: %s", args[0], err, strings.TrimSpace(string(exit.Stderr)))
	}
	return strings.TrimRight(string(out), "\n"), err
}

// first returns the first lines of a text, and says if there are more.
func first(text string, n int) string {
	lines := strings.Split(text, "\n")
	if len(lines) > n {
		lines = append(lines[:n], fmt.Sprintf("… and %d more", len(lines)-n))
	}
	return strings.Join(lines, "\n")
}
