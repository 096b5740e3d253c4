// Package issuer is a small OpenID Connect provider with demo users of every
// tier. It hands out signed access tokens to whoever asks: it stands in for a
// real provider on a developer's machine and in tests, and nowhere else.
//
//	GET  /.well-known/openid-configuration
//	GET  /jwks
//	POST /token   form: username=fred, or grant_type=client_credentials&client_id=fred;
//	              optional expires_in (seconds, may be negative), audience, tier
//	POST /mint    {"claims":{…},"alg":"RS256|HS256|none","kid":"…"}: any token at all,
//	              to test what must be refused
//	GET  /stats   how often each of them was asked
package issuer
