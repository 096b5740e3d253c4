package model

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// AWSAccount is an account of Amazon Web Services with access to Bedrock.
type AWSAccount struct {
	AccessKeyID     string
	SecretAccessKey string
	Region          string
}

// maxClockSkew is how old or early a signature may be.
const maxClockSkew = 5 * time.Minute

// admit verifies the signature of a request: it signs what was signed once more
// and compares.
func (a AWSAccount) admit(x *exchange) (status int, message string) {
	sent := x.r.Header.Get("authorization")
	scope, rest, signed := strings.Cut(strings.TrimPrefix(sent, "AWS4-HMAC-SHA256 Credential="), ", SignedHeaders=")
	names, _, ok := strings.Cut(rest, ", Signature=")
	at, err := time.Parse("20060102T150405Z", x.r.Header.Get("x-amz-date"))
	switch {
	case sent == "":
		return deny(x, "MissingAuthenticationTokenException", "Missing Authentication Token")
	case !signed || !ok || err != nil || !strings.HasPrefix(sent, "AWS4-HMAC-SHA256 "):
		return deny(x, "IncompleteSignatureException", "Authorization header requires 'Credential', 'SignedHeaders', 'Signature' and 'X-Amz-Date'")
	case !strings.HasPrefix(scope, a.AccessKeyID+"/"):
		return deny(x, "UnrecognizedClientException", "The security token included in the request is invalid.")
	case scope != strings.Join([]string{a.AccessKeyID, at.Format("20060102"), a.Region, "bedrock", "aws4_request"}, "/"):
		return deny(x, "InvalidSignatureException", "Credential should be scoped to a valid region and to the service 'bedrock', not "+scope)
	case time.Since(at).Abs() > maxClockSkew:
		return deny(x, "InvalidSignatureException", "Signature expired: "+at.String())
	}
	expected, err := a.sign(x, strings.Split(names, ";"), at)
	if err != nil || subtle.ConstantTimeCompare([]byte(sent), []byte(expected)) != 1 {
		return deny(x, "InvalidSignatureException", "The request signature we calculated does not match the signature you provided.")
	}
	return http.StatusOK, ""
}

// sign is the Authorization header of a request whose named headers are signed.
func (a AWSAccount) sign(x *exchange, names []string, at time.Time) (string, error) {
	// The path as it was sent, before prefixes were taken away.
	again, err := http.NewRequestWithContext(context.Background(), x.r.Method, "http://"+x.r.Host+x.r.RequestURI, nil)
	if err != nil {
		return "", err
	}
	for _, name := range names {
		switch name {
		case "host":
		case "content-length":
			again.ContentLength = x.r.ContentLength
		default:
			again.Header[http.CanonicalHeaderKey(name)] = x.r.Header.Values(name)
		}
	}
	sum := sha256.Sum256(x.body)
	credentials := aws.Credentials{AccessKeyID: a.AccessKeyID, SecretAccessKey: a.SecretAccessKey}
	err = v4.NewSigner().SignHTTP(again.Context(), credentials, again, hex.EncodeToString(sum[:]), "bedrock", a.Region, at)
	return again.Header.Get("authorization"), err
}

// deny refuses a credential with the error type of its own.
func deny(x *exchange, kind, message string) (int, string) {
	x.w.Header().Set(errorTypeHeader, kind)
	return http.StatusForbidden, message
}
