package keycloak

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/openova-io/llm-gateway/dev/internal/ports"
	"github.com/openova-io/llm-gateway/dev/internal/supervise"
)

// Realm is the name of the example realm, and Audience that of the client that
// stands for the gateway.
const (
	Realm    = "llm-gateway"
	Audience = "llm-gateway"
)

// Access is what scripts need to know of a Keycloak: where it is, its
// administrator, and the secrets of the realm's confidential clients.
type Access struct {
	URL      string            `json:"url"`
	Realm    string            `json:"realm"`
	Admin    string            `json:"admin"`
	Password string            `json:"password"`
	Clients  map[string]string `json:"clients"`
}

// Server is a Keycloak whose state is in one directory.
type Server struct {
	Access

	port int
	home string // Keycloak's own layout: lib, data
	java string
}

// Prepare sees to it that there is a Keycloak, and an example realm that it
// imports at its first start. The state is kept below stateDir.
func Prepare(ctx context.Context, stateDir string, port int, logf func(string, ...any)) (*Server, error) {
	java, err := findJava(ctx)
	if err != nil {
		return nil, err
	}
	installed, err := distribution(ctx, java, logf)
	if err != nil {
		return nil, err
	}
	s := &Server{port: port, home: filepath.Join(stateDir, "keycloak"), java: java}
	if err := s.layOut(installed); err != nil {
		return nil, fmt.Errorf("prepare Keycloak's directory: %w", err)
	}
	s.URL = ports.URL(port)
	return s, nil
}

// layOut makes the home directory: the programs are the cache's, the data are ours.
func (s *Server) layOut(installed string) error {
	if err := os.MkdirAll(filepath.Join(s.home, "data", "import"), 0o700); err != nil {
		return err
	}
	lib := filepath.Join(s.home, "lib")
	if err := os.RemoveAll(lib); err != nil { // a link to another version, perhaps
		return err
	}
	if err := os.Symlink(filepath.Join(installed, "lib"), lib); err != nil {
		return err
	}
	return s.loadAccess()
}

// loadAccess reads the secrets of the first start, or makes them and the realm that has them.
func (s *Server) loadAccess() error {
	file := filepath.Join(s.home, "access.json")
	content, err := os.ReadFile(file)
	if err == nil {
		return json.Unmarshal(content, &s.Access)
	}
	if !os.IsNotExist(err) {
		return err
	}
	realm, clients, err := demoRealm()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.home, "data", "import", Realm+"-realm.json"), realm, 0o600); err != nil {
		return err
	}
	s.Access = Access{Realm: Realm, Admin: "admin", Password: secret(), Clients: clients}
	if content, err = json.Marshal(s.Access); err != nil { //nolint:gosec // G117: this file is where the password is kept
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// Issuer is the issuer of the realm's tokens.
func (s *Server) Issuer() string { return s.URL + "/realms/" + s.Realm }

// Spec describes the process: what kc.sh would start, without the shell around it, which a kill would leave behind.
func (s *Server) Spec(log string) supervise.Spec {
	args := slices.Concat(javaOptions(), []string{
		"-Dkc.home.dir=" + s.home, "-cp", filepath.Join(s.home, "lib", "quarkus-run.jar"), "io.quarkus.bootstrap.runner.QuarkusEntryPoint",
		"start", "--optimized", "--import-realm",
		"--hostname=" + s.URL, "--http-enabled=true", "--http-host=" + ports.Host, "--http-port=" + strconv.Itoa(s.port),
		"--cache=local",
		// Not the default, which lets other processes in by a port of its own.
		"--db-url=jdbc:h2:file:" + filepath.Join(s.home, "data", "h2", "keycloak") + ";NON_KEYWORDS=VALUE;DB_CLOSE_ON_EXIT=FALSE",
	})
	return supervise.Spec{
		Name: "keycloak", Path: s.java, Args: args, Env: s.env(), Dir: s.home,
		LogFile: log, ReadyTimeout: 3 * time.Minute, Ready: s.ready,
	}
}

// javaOptions are kc.sh's, with less optimisation by the compiler: a stack starts more often than it serves.
func javaOptions() []string {
	options := []string{
		"-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError",
		"-Dfile.encoding=UTF-8", "-Duser.language=en", "-Duser.country=US",
		"-Djava.util.logging.manager=org.jboss.logmanager.LogManager", "-Dpicocli.disable.closures=true",
		"-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory",
		"--enable-native-access=ALL-UNNAMED",
	}
	for _, name := range []string{"java.util", "java.util.concurrent", "java.security", "java.lang"} {
		options = append(options, "--add-opens=java.base/"+name+"=ALL-UNNAMED")
	}
	return options
}

// env is our environment without settings of another Keycloak, and with the administrator of the first start.
func (s *Server) env() []string {
	env := slices.DeleteFunc(os.Environ(), func(variable string) bool {
		return strings.HasPrefix(variable, "KC_") || strings.HasPrefix(variable, "QUARKUS_")
	})
	return append(env, "KC_BOOTSTRAP_ADMIN_USERNAME="+s.Admin, "KC_BOOTSTRAP_ADMIN_PASSWORD="+s.Password)
}

// ready reports whether the realm is served; before its import it is not found.
func (s *Server) ready(ctx context.Context) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Issuer()+"/.well-known/openid-configuration", nil)
	if err != nil {
		return err
	}
	response, err := new(http.Client).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the realm %s: %s", s.Realm, response.Status)
	}
	return nil
}
