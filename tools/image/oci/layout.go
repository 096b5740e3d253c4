package oci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// digestsFile lists the images of a layout, a line each: name, digest.
const digestsFile = "digests.txt"

// write makes an OCI image layout of the images, in place of what was there. It is named only when it is complete and has
// been read back.
func write(dir string, images []*Image, tag string) error {
	unfinished := dir + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return err
	}
	if err := fill(unfinished, images, tag); err != nil {
		return err
	}
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Rename(unfinished, dir)
}

// mayReplace refuses a directory that has something else in it than images.
func mayReplace(dir string) error {
	there, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(there) == 0 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(dir, "oci-layout")); err != nil {
		return fmt.Errorf("%s is no OCI image layout, and would be deleted: choose another --output", dir)
	}
	return nil
}

func fill(dir string, images []*Image, tag string) error {
	path, err := layout.Write(dir, mutate.IndexMediaType(empty.Index, types.OCIImageIndex))
	if err != nil {
		return err
	}
	var digests []byte
	for _, image := range images {
		named := map[string]string{"org.opencontainers.image.ref.name": image.Name + ":" + tag}
		if err := path.AppendIndex(image.Index, layout.WithAnnotations(named)); err != nil {
			return err
		}
		for _, b := range image.Bills {
			if err := path.AppendImage(b.Referrer); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, b.File), b.Text, 0o600); err != nil {
				return err
			}
		}
		d, err := digest(image.Index)
		if err != nil {
			return err
		}
		digests = fmt.Appendf(digests, "%s %s\n", image.Name, d)
		written, err := path.ImageIndex()
		if err != nil {
			return err
		}
		if err := check(written, d); err != nil {
			return fmt.Errorf("what was written of %s is damaged: %w", image.Name, err)
		}
	}
	return os.WriteFile(filepath.Join(dir, digestsFile), digests, 0o600)
}

// check reads an image of a layout and compares every digest in it.
func check(written v1.ImageIndex, digest string) error {
	hash, err := v1.NewHash(digest)
	if err != nil {
		return err
	}
	image, err := written.ImageIndex(hash)
	if err != nil {
		return err
	}
	return validate.Index(image)
}

// report tells what was written.
func report(dir string, to io.Writer) error {
	text, err := os.ReadFile(filepath.Join(dir, digestsFile))
	if err != nil {
		return err
	}
	_, err = to.Write(text)
	return err
}
