package jvmserver

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
)

// JavaVersion is the oldest Java that runs both servers: Apicurio Registry 3 needs 21.
const JavaVersion = 21

// Java finds the java program of a Java that is new enough: in JAVA_HOME, PATH, or where Linux and macOS install them.
func Java() (string, error) {
	var candidates []string
	if home := os.Getenv("JAVA_HOME"); home != "" {
		candidates = append(candidates, filepath.Join(home, "bin", "java"))
	}
	if java, err := exec.LookPath("java"); err == nil {
		candidates = append(candidates, java)
	}
	for _, pattern := range []string{"/usr/lib/jvm/*/bin/java", "/opt/java/*/bin/java", "/opt/homebrew/opt/openjdk*/bin/java", "/Library/Java/JavaVirtualMachines/*/Contents/Home/bin/java"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		candidates = append(candidates, found...)
	}
	var seen []string
	for _, java := range candidates {
		version := versionOf(java)
		if version >= JavaVersion {
			return java, nil
		}
		if version > 0 {
			seen = append(seen, fmt.Sprintf("%s (%d)", java, version))
		}
	}
	return "", fmt.Errorf("no Java %d or newer in JAVA_HOME, PATH or /usr/lib/jvm, only %v: install one (such as Temurin 25) or set JAVA_HOME", JavaVersion, seen)
}

var (
	releaseVersion = regexp.MustCompile(`(?m)^JAVA_VERSION="(\d+)`)
	printedVersion = regexp.MustCompile(`version "(\d+)`)
)

// versionOf reads the file release of the installation, or asks the program; 0 when it does not run.
func versionOf(java string) int {
	if real, err := filepath.EvalSymlinks(java); err == nil {
		if text, err := os.ReadFile(filepath.Join(filepath.Dir(filepath.Dir(real)), "release")); err == nil {
			if m := releaseVersion.FindSubmatch(text); m != nil {
				return number(m[1])
			}
		}
	}
	text, err := exec.Command(java, "-version").CombinedOutput()
	if m := printedVersion.FindSubmatch(text); err == nil && m != nil {
		return number(m[1])
	}
	return 0
}

func number(digits []byte) int {
	n, err := strconv.Atoi(string(digits))
	if err != nil {
		return 0
	}
	return n
}
