package charts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// setupScript is the script of the set-up Job with its variables, and commands of the test before those of the machine.
type setupScript struct {
	*exec.Cmd
	commands string // directory
}

func newSetupScript(t *testing.T, o helm.Options) setupScript {
	t.Helper()
	objects := helm.Prepare(t, "bp-temporal").Render(t, helm.Tools(t)[0], o)
	job := workloads(t, objects.Ours())[0].spec.Containers[0]
	s := setupScript{commands: t.TempDir(), Cmd: exec.CommandContext(t.Context(), job.Command[0], job.Command[1], job.Args[0])}
	for _, env := range job.Env {
		s.Env = append(s.Env, env.Name+"="+env.Value)
	}
	s.Env = append(s.Env, "HOME=/nonexistent", "PATH="+s.commands+":"+os.Getenv("PATH"))
	return s
}

// add makes a command.
func (s setupScript) add(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.commands, name), []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

// The server is away at first; there is one of the namespaces; and what is new is not known everywhere at once.
func TestTheSetupScript(t *testing.T) {
	job := newSetupScript(t, optionsOf(t, "set-up"))
	job.add(t, "sleep", "#!/bin/sh\necho \"sleep $*\" >>said")
	job.add(t, "temporal", `#!/bin/sh
echo "$*" >>said
n=$(grep -cxF -e "$*" said)
case "$*" in
*health) [ "$n" -gt 2 ] ;;
*"namespace update --namespace batch-2"*) exit 1 ;;
*"--name Cost"*) [ "$n" -gt 1 ] ;;
esac
`)
	job.Dir = t.TempDir()
	if out, err := job.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	want := `operator cluster health
sleep 5
operator cluster health
sleep 5
operator cluster health
operator namespace update --namespace llm-gateway --retention 30d
operator search-attribute create --namespace llm-gateway --name Cost --type Double
sleep 5
operator search-attribute create --namespace llm-gateway --name Cost --type Double
operator search-attribute create --namespace llm-gateway --name Tenant --type Keyword
operator namespace update --namespace batch-2 --retention 12h
operator namespace create --namespace batch-2 --retention 12h
`
	if got := readFile(t, job.Dir, "said"); got != want {
		t.Errorf("it said\n%s\nand not\n%s", got, want)
	}
}

func TestTheSetupScriptGivesUpInTheEnd(t *testing.T) {
	job := newSetupScript(t, helm.Options{})
	job.add(t, "sleep", "#!/bin/sh")
	job.add(t, "temporal", "#!/bin/sh\ncase \"$*\" in *search-attribute*) exit 1 ;; esac")
	out, err := job.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "gave up after 60 tries: temporal operator search-attribute create") || strings.Contains(string(out), "done") {
		t.Errorf("%v\n%s", err, out)
	}
}
