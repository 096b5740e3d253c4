// Package imagetest runs what is in an image, without a container engine: it unpacks the image into a directory, and
// starts its command with that as the root, as the image's user.
package imagetest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// Find returns an image of an OCI image layout, for this machine's architecture.
func Find(dir, name string) (v1.Image, error) {
	all, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		return nil, err
	}
	list, err := all.IndexManifest()
	if err != nil {
		return nil, err
	}
	for _, named := range list.Manifests {
		if !strings.HasPrefix(named.Annotations["org.opencontainers.image.ref.name"], name+":") {
			continue
		}
		index, err := all.ImageIndex(named.Digest)
		if err != nil {
			return nil, err
		}
		platforms, err := index.IndexManifest()
		if err != nil {
			return nil, err
		}
		for _, one := range platforms.Manifests {
			if one.Platform.OS == "linux" && one.Platform.Architecture == runtime.GOARCH {
				return index.Image(one.Digest)
			}
		}
	}
	return nil, fmt.Errorf("%s has no image %s for linux/%s", dir, name, runtime.GOARCH)
}

// Root is an unpacked image.
type Root struct {
	Dir    string
	Config v1.Config
}

// Unpack writes the files of an image below a directory, which must be empty.
func Unpack(image v1.Image, dir string) (*Root, error) {
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	files := mutate.Extract(image)
	defer files.Close()
	for r := tar.NewReader(files); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return &Root{dir, file.Config}, nil
		}
		if err != nil {
			return nil, err
		}
		if err := unpack(filepath.Join(dir, filepath.Clean("/"+h.Name)), h, r); err != nil {
			return nil, err
		}
	}
}

func unpack(path string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeDir:
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	case tar.TypeReg:
		f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, content)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s is neither a file nor a directory", h.Name)
	}
	return os.Chmod(path, h.FileInfo().Mode()) // whatever the umask
}

// User is whom a command runs as.
type User struct{ UID, GID uint32 }

// Command is the image's command with more arguments, run as the image's user with the directory as its root.
func (r *Root) Command(ctx context.Context, args ...string) (*exec.Cmd, error) {
	var user User
	if _, err := fmt.Sscanf(r.Config.User, "%d:%d", &user.UID, &user.GID); err != nil {
		return nil, fmt.Errorf("the image's user is %q: %w", r.Config.User, err)
	}
	argv := append(r.Config.Entrypoint[:len(r.Config.Entrypoint):len(r.Config.Entrypoint)], args...)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir, cmd.Env = r.Config.WorkingDir, r.Config.Env
	return cmd, Confine(cmd, r.Dir, user)
}
