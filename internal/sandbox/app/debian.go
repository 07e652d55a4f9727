package app

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"relink/internal/hint"
)

// library matches the packages among DokuWiki's dependencies whose files it
// includes; PHP itself and its extensions are the machine's.
var library = regexp.MustCompile(`^(php|libphp|libjs)-`)

var extensions = []string{"php-cli", "php-common", "php-curl", "php-intl", "php-xml", "php-gd", "php-mbstring", "php-json", "php-fpm"}

// unpackDebian downloads DokuWiki and its libraries with apt and unpacks them
// into root. Nothing is installed; no root is needed.
func unpackDebian(ctx context.Context, root string) error {
	packages, err := dependencies(ctx)
	if err != nil {
		return err
	}
	debs, err := os.MkdirTemp(filepath.Dir(root), "debs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(debs)
	args := []string{"download", "--quiet"}
	if os.Geteuid() == 0 {
		// apt would fetch as user _apt, who cannot write here.
		args = append(args, "-o", "APT::Sandbox::User=root")
	}
	if _, err := run(ctx, debs, "apt-get", append(args, packages...)...); err != nil {
		return hint.With(fmt.Errorf("download DokuWiki: %w", err), `run "apt-get update" as root and try again`)
	}
	files, err := filepath.Glob(filepath.Join(debs, "*.deb"))
	if err != nil {
		return err
	}
	for _, file := range files {
		if _, err := run(ctx, debs, "dpkg-deb", "--extract", file, root); err != nil {
			return fmt.Errorf("unpack %s: %w", filepath.Base(file), err)
		}
	}
	return nil
}

func dependencies(ctx context.Context) ([]string, error) {
	out, err := run(ctx, "/", "apt-cache", "depends", "--recurse", "--no-recommends", "--no-suggests", "--no-conflicts",
		"--no-breaks", "--no-replaces", "--no-enhances", "dokuwiki")
	if err != nil {
		return nil, hint.With(fmt.Errorf("find DokuWiki among the packages: %w", err), `run "apt-get update" as root and try again`)
	}
	packages := []string{"dokuwiki"}
	for line := range strings.Lines(out) {
		name := strings.TrimSpace(line)
		if library.MatchString(line) && !slices.Contains(extensions, name) && !slices.Contains(packages, name) {
			packages = append(packages, name)
		}
	}
	return packages, nil
}

func run(ctx context.Context, dir, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(stderr.String()))
	}
	return string(out), nil
}
