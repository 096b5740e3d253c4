// Package submission makes and checks submission tokens: signed permissions to start one batch through Temporal, where
// nobody is authenticated and anybody could name anybody.
//
// A submission token is a JWT. Its claims:
//
//	aud   "llm-gateway/batches"
//	iss   "llm-gateway", or the name of a service
//	jti   the UUID, of version 7, of the batch that may be started
//	iat   when it was signed, in Unix seconds
//	exp   until when it is good
//	nbf   from when it is good; may be missing
//	sub, user, tier   whose batch it is; only a token of the gateway has them
//
// The gateway's own tokens are signed with a secret that its processes share (HS256). It gives them to callers it has
// authenticated. A service signs with a private key of its own (EdDSA, ES256, ES384, ES512, RS256 or PS256, and the longer
// hashes of the last two); its public key is configured, together with the subject, user and tier that its batches
// count for. Whatever its token says of these is not looked at, and its token is good for an hour at most.
//
// A token is good for one batch id. To use it twice is to start the same batch twice, which makes nothing new: so no list
// of used tokens is kept.
package submission
