package stack

import (
	"strings"
	"testing"
)

func TestOverridesChangeAddAndAddressLists(t *testing.T) {
	config := frontendConfig{
		Audit:    auditConfig{Mode: "strict"},
		Backends: []backendConfig{{Name: "a"}, {Name: "b"}},
	}
	cases := []struct{ item, want string }{
		{"audit.mode=async", "mode: async"},
		{"http.ping_interval=1s", "ping_interval: 1s"},
		{"new.nested.flag=true", "new:\n    nested:\n        flag: true"},
		{"new.list=[1, two]", "list: [1, two]"},
		{"backends.1.base_url=http://x", "base_url: http://x"},
		{"frontend:audit.mode=async", "mode: async"},
		{"worker:audit.mode=async", "mode: strict"},
		{"empty.value=", `value: ""`},
	}
	for _, c := range cases {
		overrides, err := parseOverrides([]string{c.item})
		if err != nil {
			t.Errorf("%s: %v", c.item, err)
			continue
		}
		if got, err := render(config, "frontend", overrides); err != nil || !strings.Contains(got, c.want) {
			t.Errorf("%s: no %q in\n%s%v", c.item, c.want, got, err)
		}
	}
}

func TestImpossibleOverridesAreErrors(t *testing.T) {
	config := frontendConfig{Backends: []backendConfig{{Name: "a"}}}
	for _, item := range []string{"nothing", "=x", "audit.mode.deeper=x", "backends.7.name=x", "backends.x=1", "a=[1"} {
		overrides, err := parseOverrides([]string{item})
		if err == nil {
			_, err = render(config, "frontend", overrides)
		}
		if err == nil {
			t.Errorf("%s is no error", item)
		}
	}
}
