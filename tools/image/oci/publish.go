package oci

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// publish sends an image and its bills to a registry, with the credentials that `docker login` and its like have left. What
// is there already is not sent again. The tag is a commit, so one that is taken by something else is not moved.
func publish(ctx context.Context, prefix, tag string, image *Image) error {
	ref, err := name.NewTag(prefix+"/"+image.Name+":"+tag, name.StrictValidation)
	if err != nil {
		return err
	}
	options := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	built, err := digest(image.Index)
	if err != nil {
		return err
	}
	switch there, err := remote.Head(ref, options...); {
	case err == nil && there.Digest.String() != built:
		return fmt.Errorf("%s is %s there, and %s here: the same commit must give the same image, so find out which was built by other means", ref, there.Digest, built)
	case err != nil && !absent(err):
		return err
	}
	if err := remote.WriteIndex(ref, image.Index, options...); err != nil {
		return err
	}
	for _, b := range image.Bills {
		d, err := digest(b.Referrer)
		if err != nil {
			return err
		}
		if err := remote.Write(ref.Context().Digest(d), b.Referrer, options...); err != nil {
			return err
		}
	}
	return nil
}

// absent reports whether a registry says that it does not have something.
func absent(err error) bool {
	answer := (*transport.Error)(nil)
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}
