package anthropic

import (
	"net/http"
	"strings"
)

// ForgiveBaseURL serves /v1/v1/… as /v1/…: a base URL that ends in /v1 makes clients of the dialect ask for that.
func ForgiveBaseURL(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/v1/v1/") {
			r.URL.Path = r.URL.Path[len("/v1"):]
		}
		next.ServeHTTP(w, r)
	})
}
