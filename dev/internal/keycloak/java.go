package keycloak

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
)

// oldestJava is the first version of Java that this Keycloak runs on.
const oldestJava = 17

// errNoJava says what to do.
var errNoJava = errors.New("no Java 17 or newer, which Keycloak runs on, was found on this machine (looked at JAVA_HOME, PATH and /usr/lib/jvm): install it, for example the package openjdk-21-jre-headless, or start without --keycloak")

// findJava returns a Java runtime that is new enough.
func findJava(ctx context.Context) (string, error) {
	for _, path := range javaCandidates() {
		out, err := exec.CommandContext(ctx, path, "-version").CombinedOutput()
		if err == nil && javaMajor(string(out)) >= oldestJava {
			return path, nil
		}
	}
	return "", errNoJava
}

// javaCandidates lists the programs that may be one, the person's choice first.
func javaCandidates() []string {
	var paths []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		paths = append(paths, filepath.Join(home, "bin", "java"))
	}
	if path, err := exec.LookPath("java"); err == nil {
		paths = append(paths, path)
	}
	for _, pattern := range []string{"/usr/lib/jvm/*/bin/java", "/Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java"} {
		installed, _ := filepath.Glob(pattern) // the patterns are well formed
		slices.Reverse(installed)
		paths = append(paths, installed...)
	}
	return paths
}

// javaMajor is the 21 in `openjdk version "21.0.8" 2025-07-15`; 0 means none.
func javaMajor(text string) int {
	match := regexp.MustCompile(`version "(\d+)`).FindStringSubmatch(text)
	if match == nil {
		return 0
	}
	major, err := strconv.Atoi(match[1])
	if err != nil {
		return 0
	}
	return major
}
