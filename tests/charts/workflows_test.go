package charts

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/openova-io/llm-gateway/tests/charts/helm"
)

// workflow is what these tests read of a file in .github/workflows.
type workflow struct {
	Permissions map[string]string
	Jobs        map[string]struct {
		RunsOn      string            `json:"runs-on"`
		Timeout     int               `json:"timeout-minutes"`
		Permissions map[string]string `json:"permissions"`
		Steps       []struct {
			Uses, Run string
			With      map[string]any
		}
	}
}

var (
	pin  = regexp.MustCompile(`uses: (\S+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)\n`)
	uses = regexp.MustCompile(`uses: .*\n`)
)

// What runs in a release can sign in our name. So it is pinned, may do what it needs and no more, and ends.
func TestWorkflowsGiveNothingAway(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(helm.Root(), ".github", "workflows", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no workflows", err)
	}
	pinned := map[string]string{}
	for _, file := range files {
		name := filepath.Base(file)
		text := readFile(t, filepath.Dir(file), name)
		for _, line := range uses.FindAllString(text, -1) {
			m := pin.FindStringSubmatch(line)
			if m == nil {
				t.Errorf("%s: %s is not pinned by a commit, with its version as a comment", name, strings.TrimSpace(line))
				continue
			}
			if other := pinned[m[1]]; other != "" && other != m[2]+m[3] {
				t.Errorf("%s: %s is of two versions", name, m[1])
			}
			pinned[m[1]] = m[2] + m[3]
		}
		var read workflow
		if err := yaml.Unmarshal([]byte(text), &read); err != nil {
			t.Fatal(err)
		}
		if len(read.Permissions) != 1 || read.Permissions["contents"] != "read" {
			t.Errorf("%s: what all jobs may is %v, and should be to read contents", name, read.Permissions)
		}
		for id, job := range read.Jobs {
			if job.Timeout == 0 || strings.HasSuffix(job.RunsOn, "latest") {
				t.Errorf("%s, %s: it has no timeout-minutes, or runs on whatever is latest", name, id)
			}
			for _, step := range job.Steps {
				if strings.HasPrefix(step.Uses, "actions/checkout@") && step.With["persist-credentials"] != false {
					t.Errorf("%s, %s: checkout leaves its token behind", name, id)
				}
				if strings.HasPrefix(step.Uses, "actions/setup-go@") && job.Permissions["packages"] == "write" && step.With["cache"] != false {
					t.Errorf("%s, %s: it publishes, and takes a cache that others write to", name, id)
				}
				if script := strings.ReplaceAll(step.Run, "${{ matrix.", ""); strings.Contains(script, "${{") {
					t.Errorf("%s, %s: an expression becomes part of a script; hand it over by env: %s", name, id, step.Run)
				}
			}
		}
	}
}

// An archive without the chart that it is made of looks right: name, version and signature are. It is the one thing that a
// release must not let through.
func TestAHollowChartIsNotReleased(t *testing.T) {
	chart := helm.Prepare(t, adapterChart).Copy(t)
	common := filepath.Join(chart.Dir, "charts", "common")
	whole := func() string {
		cmd := exec.Command(filepath.Join(helm.Root(), ".github", "scripts", "chart.sh"), "whole", chart.Dir)
		tool := helm.Tools(t)[1]
		cmd.Env = append(tool.Command().Env, "HELM="+tool.Path)
		out, _ := cmd.CombinedOutput()
		return string(out)
	}
	write := func(name, text string) {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(common, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(common, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct {
		name, says string
		do         func()
	}{
		{"absent", "missing in charts/ directory: common", func() {
			if err := os.RemoveAll(common); err != nil {
				t.Fatal(err)
			}
		}},
		{"a stub", "is hollow", func() { write("Chart.yaml", "apiVersion: v2\nname: common\nversion: 0.1.3\n") }},
		{"nothing rendered", "renders nothing of common", func() { write("templates/_none.tpl", "") }},
		{"another version", "has common 0.1.2, not 0.1.3", func() { write("Chart.yaml", "apiVersion: v2\nname: common\nversion: 0.1.2\n") }},
		{"a library", "is whole: common 0.1.3", func() { write("Chart.yaml", "apiVersion: v2\nname: common\nversion: 0.1.3\ntype: library\n") }},
	} {
		if step.do(); !strings.Contains(whole(), step.says) {
			t.Errorf("%s: says\n%s\nand not %q", step.name, whole(), step.says)
		}
	}
}
