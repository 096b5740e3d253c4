package cli_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// served has a certificate of its own making, and answers with next.
func served(t *testing.T, host string, until time.Time, next http.Handler) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: until.Add(-48 * time.Hour), NotAfter: until, DNSNames: []string{host}}
	if ip := net.ParseIP(host); ip != nil {
		form.DNSNames, form.IPAddresses = nil, []net.IP{ip}
	}
	cert, err := x509.CreateCertificate(rand.Reader, form, form, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(next)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{cert}, PrivateKey: key}}}
	s.Config.ErrorLog = log.New(io.Discard, "", 0) // it tells of handshakes that fail, as they should
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

func TestTheDoctorTellsWhatStandsBetween(t *testing.T) {
	tomorrow := time.Now().Add(24 * time.Hour)
	answers := func(status int, header ...string) string {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
		}))
		t.Cleanup(s.Close)
		return s.URL
	}
	for name, c := range map[string]struct{ url, fault, says string }{
		"a certificate of an unknown authority": {served(t, "127.0.0.1", tomorrow, http.NotFoundHandler()), "certificate_authority", "SSL_CERT_FILE"},
		"a certificate for another name":        {served(t, "llm.example.com", tomorrow, http.NotFoundHandler()), "certificate_name", "its certificate is for llm.example.com, not for 127.0.0.1"},
		"a certificate that is over":            {served(t, "127.0.0.1", time.Now().Add(-time.Hour), http.NotFoundHandler()), "certificate_expired", "its certificate is good from"},
		"http for https":                        {strings.Replace(served(t, "127.0.0.1", tomorrow, http.NotFoundHandler()), "https:", "http:", 1), "no_tls", "it speaks TLS"},
		"a gateway that is down":                {answers(502, "Content-Type", "text/html"), "gateway_down", "something before the gateway answers 502"},
		"a proxy that wants a login":            {answers(407), "proxy", "HTTPS_PROXY"},
		"a redirect to the same in TLS":         {answers(301, "Location", "https://127.0.0.1/.well-known/oauth-protected-resource"), "redirect", "it redirects to https://127.0.0.1/.well-known"},
		"a redirect elsewhere":                  {answers(302, "Location", "https://login.example.com/"), "login_page", "login page or a portal"},
		"something that is no gateway":          {answers(200, "Content-Type", "application/json"), "wrong_url", "and is no gateway"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{dir: t.TempDir(), env: map[string]string{"LLMGW_URL": c.url}}
			out, complaints, code := d.run(t.Context(), "doctor", "--json")
			var report struct {
				Checks []struct{ Check, State, Fault string }
			}
			if err := json.Unmarshal([]byte(out), &report); err != nil || code != 1 {
				t.Fatalf("exit code %d, %v: %s%s", code, err, out, complaints)
			}
			for _, got := range report.Checks {
				switch {
				case got.Check == "gateway" && got.Fault != c.fault:
					t.Errorf("the fault is %q, want %q:\n%s", got.Fault, c.fault, out)
				case got.Check == "token" && got.State != "skipped":
					t.Errorf("the token is looked at although there is no gateway: %s", got.State)
				}
			}
			if !strings.Contains(out, c.says) {
				t.Errorf("it does not say %q:\n%s", c.says, out)
			}
		})
	}
}
