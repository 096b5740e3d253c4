package keycloak

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
)

func TestWhileKeycloakIsAway(t *testing.T) {
	w := shared
	shown, unshown := w.login(t, realmWatched, "demo", "pro").Access, w.login(t, realmWatched, "demo", "pro").Access
	asked := w.login(t, w.Keycloak.Realm, "demo", "pro").Access
	w.served(t, watched, shown)
	w.served(t, strict, asked)
	strangers := w.strangers(t, shown, 300)

	w.control(t, "stop/keycloak")
	t.Cleanup(func() { _ = w.Do(context.Background(), "start/keycloak") })
	w.proxy.counted()

	w.served(t, watched, shown)
	w.served(t, watched, unshown) // never seen before, but its key is known
	w.mustAsk(t, watched, strangers[0]).away(t)
	time.Sleep(briefly)
	w.mustAsk(t, strict, asked).away(t)
	w.withoutAStorm(t, strangers)

	// One that starts now knows no key yet.
	w.control(t, "kill/frontend-2")
	var a answer
	eventually(t, 20*time.Second, "the frontend answers again", func() (up bool) {
		var err error
		a, err = w.ask(t.Context(), watched, shown)
		return err == nil
	})
	a.away(t)

	w.control(t, "start/keycloak")
	for frontend, token := range map[int]string{watched: shown, strict: asked} {
		eventually(t, 20*time.Second, "people are let in again", func() bool {
			return w.mustAsk(t, frontend, token).status == http.StatusOK
		})
	}
	w.refused(t, watched, strangers[0], "does not publish")
}

// strangers are tokens with keys that nobody has heard of, each with another.
func (w *world) strangers(t *testing.T, like string, n int) []string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, claims, _ := parts(t, like)
	tokens := make([]string, n)
	for i := range tokens {
		tokens[i] = sign(t, jose.RS256, key, fmt.Sprintf("stranger %d", i), but(claims, "jti", i))
	}
	return tokens
}

// withoutAStorm has all of them ask at once. Keycloak is asked on behalf of all, and left alone while it fails.
func (w *world) withoutAStorm(t *testing.T, strangers []string) {
	t.Helper()
	w.proxy.counted()
	begin := time.Now()
	var all sync.WaitGroup
	for _, token := range strangers {
		all.Go(func() {
			a, err := w.ask(t.Context(), watched, token)
			if err != nil {
				t.Error(err)
				return
			}
			a.away(t)
		})
	}
	all.Wait()
	asked := 0
	for _, n := range w.proxy.counted() {
		asked += n
	}
	// A fetch is of two documents, and there is one in five seconds.
	if most := 2 * (1 + int(time.Since(begin)/(5*time.Second))); asked > most {
		t.Errorf("Keycloak was asked %d times for %d tokens within %s, want %d at most", asked, len(strangers), time.Since(begin), most)
	}
}

// control asks the stack for something, such as "stop/keycloak".
func (w *world) control(t *testing.T, verb string) {
	t.Helper()
	if err := w.Do(t.Context(), verb); err != nil {
		t.Fatal(err)
	}
}
