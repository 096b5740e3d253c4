package stack

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// override is one "--set key=value".
type override struct {
	target string   // "frontend" or "worker"; empty means both
	path   []string // of keys; numbers are positions in a list
	value  yaml.Node
}

// parseOverrides reads all of them and reports every mistake.
func parseOverrides(items []string) ([]override, error) {
	var overrides []override
	var errs []error
	for _, item := range items {
		parsed, err := parseOverride(item)
		if err != nil {
			errs = append(errs, fmt.Errorf("--set %s: %w", item, err))
			continue
		}
		overrides = append(overrides, parsed)
	}
	return overrides, errors.Join(errs...)
}

// parseOverride reads "audit.mode=async", "worker:http.listen=…". The value is YAML.
func parseOverride(item string) (override, error) {
	var o override
	key, value, found := strings.Cut(item, "=")
	if !found || key == "" {
		return o, errors.New("want key=value, for example audit.mode=async")
	}
	for _, target := range []string{"frontend", "worker"} {
		if rest, ok := strings.CutPrefix(key, target+":"); ok {
			o.target, key = target, rest
		}
	}
	o.path = strings.Split(key, ".")
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(value), &document); err != nil {
		return o, fmt.Errorf("the value is not YAML: %w", err)
	}
	o.value = yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str"}
	if len(document.Content) > 0 {
		o.value = *document.Content[0]
	}
	return o, nil
}

// render encodes a configuration with the overrides for a target applied.
func render(config any, target string, overrides []override) (string, error) {
	var root yaml.Node
	if err := root.Encode(config); err != nil {
		return "", fmt.Errorf("encode the configuration of the %s: %w", target, err)
	}
	for _, o := range overrides {
		if o.target != "" && o.target != target {
			continue
		}
		if err := set(&root, o.path, o.value); err != nil {
			return "", fmt.Errorf("--set %s: %w", strings.Join(o.path, "."), err)
		}
	}
	content, err := yaml.Marshal(&root)
	if err != nil {
		return "", fmt.Errorf("encode the configuration of the %s: %w", target, err)
	}
	return string(content), nil
}

// set replaces, or adds, the value at a path.
func set(node *yaml.Node, path []string, value yaml.Node) error {
	if len(path) == 0 {
		*node = value
		return nil
	}
	switch node.Kind {
	case yaml.MappingNode:
		return set(member(node, path[0]), path[1:], value)
	case yaml.SequenceNode:
		i, err := strconv.Atoi(path[0])
		if err != nil || i < 0 || i >= len(node.Content) {
			return fmt.Errorf("%q is not a position in a list of %d", path[0], len(node.Content))
		}
		return set(node.Content[i], path[1:], value)
	}
	return fmt.Errorf("%q is below a plain value", path[0])
}

// member finds the value of a key, and adds an empty mapping if there is none.
func member(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	added := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	mapping.Content = append(mapping.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: key}, added)
	return added
}
