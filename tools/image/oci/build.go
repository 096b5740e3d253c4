package oci

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Options say what is built, and where to.
type Options struct {
	Root      string        // directory of the repository
	Output    string        // directory of the OCI image layout; bin/images below Root if empty
	Platforms []v1.Platform // all that are published if empty
	Dev       bool          // the working tree, whatever its state
	Push      string        // registry and path to publish under; "" publishes nothing
	Epoch     string        // seconds since 1970 that the images were created at; the commit's time if empty
	Progress  io.Writer
}

// platforms are those that are published.
func platforms() []v1.Platform {
	return []v1.Platform{{OS: "linux", Architecture: "amd64"}, {OS: "linux", Architecture: "arm64"}}
}

// check returns every reason why nothing can be built.
func (o *Options) check() error {
	var errs []error
	if o.Push != "" && o.Dev {
		errs = append(errs, errors.New("--push publishes commits only: leave out --dev"))
	}
	if o.Push != "" && len(o.Platforms) > 0 {
		errs = append(errs, errors.New("--push publishes every platform: leave out --platform"))
	}
	return errors.Join(errs...)
}

// Build compiles the commands, writes their images to an OCI image layout, and publishes them if it is told to.
func Build(ctx context.Context, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	root, err := filepath.Abs(o.Root)
	if err != nil {
		return err
	}
	if o.Output == "" {
		o.Output = filepath.Join(root, "bin", "images")
	}
	if err := mayReplace(o.Output); err != nil {
		return err
	}
	if len(o.Platforms) == 0 {
		o.Platforms = platforms()
	}
	begin := time.Now()
	step := func(format string, args ...any) {
		fmt.Fprintf(o.Progress, "==> "+format+"\n", args...)
	}

	src, err := identify(ctx, root, o.Dev, o.Epoch)
	if err != nil {
		return err
	}
	if src.Roots, err = rootsVersion(ctx, root); err != nil {
		return err
	}
	step("images of %s", src.Tag)
	base, err := baseLayer()
	if err != nil {
		return err
	}
	binaries, err := scratch(root)
	if err != nil {
		return err
	}
	defer os.RemoveAll(binaries)
	for _, p := range o.Platforms {
		step("compile for %s", p)
		if err := compile(ctx, root, binaries, p, src.Tag, o.Progress); err != nil {
			return err
		}
	}
	var images []*Image
	for _, c := range commands() {
		step("image %s", c.Name)
		image, err := newImage(c, src, base, binaries, o.Platforms)
		if err != nil {
			return fmt.Errorf("image %s: %w", c.Name, err)
		}
		images = append(images, image)
	}
	step("write %s", o.Output)
	if err := write(o.Output, images, src.Tag); err != nil {
		return err
	}
	if err := report(o.Output, o.Progress); err != nil {
		return err
	}
	if o.Push != "" {
		for _, image := range images {
			step("publish %s/%s:%s", o.Push, image.Name, src.Tag)
			if err := publish(ctx, o.Push, src.Tag, image); err != nil {
				return fmt.Errorf("publish %s: %w", image.Name, err)
			}
		}
	}
	step("done after %s", time.Since(begin).Round(time.Second))
	return nil
}
