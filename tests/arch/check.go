package arch

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Check parses every Go file below root and returns one sentence per violation, sorted.
// Test files are parsed for nothing: a test may reach across layers.
func Check(root string, rules Rules) ([]string, error) {
	c := &checker{rules: rules, level: map[string]int{}, unlisted: map[string]bool{}}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains(rules.Skip, entry.Name()):
			return filepath.SkipDir
		case entry.IsDir(), !strings.HasSuffix(name, ".go"), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		rel, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		return c.file(name, filepath.ToSlash(rel))
	})
	slices.Sort(c.found)
	return c.found, err
}

type checker struct {
	rules    Rules
	level    map[string]int  // layer by package, as looked up
	unlisted map[string]bool // reported once each
	found    []string
}

func (c *checker) report(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

// file checks one file; rel is its path below the root.
func (c *checker) file(name, rel string) error {
	src, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), rel, src, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	c.length(rel, strings.Count(string(src), "\n"))
	for _, decl := range parsed.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
			c.report("%s: has an init function; build the value where it is used", rel)
		}
	}
	pkg := path.Dir(rel)
	if !c.covered(pkg) || serves(pkg) {
		return nil
	}
	if c.layer(pkg) < 0 && !c.unlisted[pkg] {
		c.unlisted[pkg] = true
		c.report("%s: is in no layer; add it to the layer table in tests/arch/rules.go", pkg)
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return err
		}
		c.imports(rel, pkg, imported)
	}
	return nil
}

func (c *checker) length(rel string, lines int) {
	if path.Base(rel) == "main.go" && strings.HasPrefix(rel, "cmd/") && lines > c.rules.MaxMain {
		c.report("%s: has %d lines; a main.go has at most %d", rel, lines, c.rules.MaxMain)
		return
	}
	if lines > c.rules.MaxLines && c.rules.Long[rel] == "" {
		c.report("%s: has %d lines; a file has at most %d and one subject", rel, lines, c.rules.MaxLines)
	}
}

// imports checks one import of a file against every rule.
func (c *checker) imports(rel, pkg, imported string) {
	if c.own(imported) {
		c.downward(rel, pkg, strings.TrimPrefix(imported, c.rules.Module+"/"))
	}
	for guarded, allowed := range c.rules.Sole {
		if below(imported, guarded) && !matches(allowed, pkg) {
			c.report("%s: imports %s, which is for %s alone", rel, imported, strings.Join(slices.Concat(allowed, []string{"tests"}), ", "))
		}
	}
	if allowed, ok := c.rules.Pure[pkg]; ok && !c.own(imported) && !standard(imported) && !slices.Contains(allowed, imported) {
		c.report("%s: imports %s, but %s is pure", rel, imported, pkg)
	}
	for _, denied := range c.rules.Denied[pkg] {
		if below(imported, denied) {
			c.report("%s: imports %s, which %s must not", rel, imported, pkg)
		}
	}
}

// downward checks that an import of another package of this module goes to a lower layer.
func (c *checker) downward(rel, pkg, imported string) {
	from, to := c.layer(pkg), c.layer(imported)
	if from < 0 || (to < 0 && c.covered(imported) && !serves(imported)) {
		return // reported as unlisted
	}
	switch {
	case to < 0:
		c.report("%s: imports %s/%s, which is no part of the product", rel, c.rules.Module, imported)
	case to > from:
		c.report("%s: imports upward, %s (layer %d) from %s (layer %d)", rel, imported, to+1, pkg, from+1)
	case to == from && !slices.Contains(c.rules.Sideways[pkg], imported):
		c.report("%s: imports sideways, %s from %s (both layer %d)", rel, imported, pkg, from+1)
	}
}

// layer returns the index of a package's layer, or -1.
func (c *checker) layer(pkg string) int {
	if n, ok := c.level[pkg]; ok {
		return n
	}
	n := slices.IndexFunc(c.rules.Layers, func(layer []string) bool { return matches(layer, pkg) })
	c.level[pkg] = n
	return n
}

func (c *checker) own(imported string) bool {
	return below(imported, c.rules.Module)
}

// covered reports whether the layers have to name a package.
func (c *checker) covered(pkg string) bool {
	return slices.ContainsFunc(c.rules.Covered, func(top string) bool { return below(pkg, top) })
}

// serves reports whether a package serves tests: like net/http/httptest its name ends in "test". It may import
// what it likes, and only tests may import it.
func serves(pkg string) bool {
	return strings.HasSuffix(pkg, "test")
}

func matches(names []string, pkg string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		return name == pkg || strings.HasSuffix(name, "/*") && path.Dir(pkg) == strings.TrimSuffix(name, "/*")
	})
}

// below reports whether a slash-separated path is root or lies under it.
func below(name, root string) bool {
	return name == root || strings.HasPrefix(name, root+"/")
}

// standard reports whether an import path is the standard library's: its first element has no dot.
func standard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return !strings.Contains(first, ".")
}
