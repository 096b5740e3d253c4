// Command image builds the images of the gateway's commands, and publishes them.
//
// They are made of nothing but the commands, certificates and a user, so that everybody who builds a commit gets the same
// bytes; that is why it needs neither a container engine nor a base image.
package main

import (
	"context"
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/openova-io/llm-gateway/tools/image/oci"
)

//go:embed go.mod
var module string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	o := oci.Options{Progress: os.Stdout, Epoch: os.Getenv("SOURCE_DATE_EPOCH")} //nolint:forbidigo // what reproducible builds have agreed on
	flags := flag.NewFlagSet("image", flag.ExitOnError)
	flags.StringVar(&o.Root, "root", "../..", "`directory` of the repository")
	flags.StringVar(&o.Output, "output", "", "`directory` of the OCI image layout; bin/images of the repository if empty")
	flags.BoolVar(&o.Dev, "dev", false, "build what is in the working tree, and tag it dev")
	flags.StringVar(&o.Push, "push", "", "registry and path to publish under, such as ghcr.io/openova-io/llm-gateway")
	flags.Func("platform", "build this `platform` only, such as linux/amd64; may be repeated", func(text string) error {
		platform, err := v1.ParsePlatform(text)
		if err == nil {
			o.Platforms = append(o.Platforms, *platform)
		}
		return err
	})
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("%q is not understood: everything is said by flags, which --help lists", flags.Args())
	}
	if err := sameToolchain(module, runtime.Version()); err != nil {
		return err
	}
	return oci.Build(ctx, o)
}

// sameToolchain refuses a toolchain that is not the one which go.mod names: another one makes other bytes.
func sameToolchain(module, running string) error {
	for line := range strings.Lines(module) {
		if version, ok := strings.CutPrefix(line, "go "); ok {
			want := "go" + strings.TrimSpace(version)
			if running != want {
				return fmt.Errorf("images are built with %s, so that everybody builds the same, and this is %s: set GOTOOLCHAIN=%s", want, running, want)
			}
		}
	}
	return nil
}
