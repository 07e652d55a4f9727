package app

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// parts are the folders of the unpacked packages that make a release.
var parts = map[string]string{
	"usr/share/dokuwiki":   "public",
	"etc/dokuwiki":         "conf",
	"usr/share/php":        "share/php",
	"usr/share/php-geshi":  "share/php-geshi",
	"usr/share/javascript": "share/javascript",
}

// buildTree makes a self-contained release of the packages unpacked below root.
func buildTree(root, tree string) error {
	for from, to := range parts {
		if err := copyTree(root, filepath.Join(root, from), filepath.Join(tree, to)); err != nil {
			return err
		}
	}
	// Anybody could set the wiki up anew with it.
	if err := os.Remove(filepath.Join(tree, "public/install.php")); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return relocate(tree)
}

// copyTree copies what from is or points to. Debian's links are absolute, and
// mean a path below root; links to what was not unpacked are dropped.
func copyTree(root, from, to string) error {
	info, err := os.Lstat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case info.Mode()&fs.ModeSymlink != 0:
		target, err := os.Readlink(from)
		if err != nil {
			return err
		}
		if !filepath.IsAbs(target) {
			return copyTree(root, filepath.Join(filepath.Dir(from), target), to)
		}
		return copyTree(root, filepath.Join(root, target), to)
	case info.IsDir():
		return copyDir(root, from, to)
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}

func copyDir(root, from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	for _, entry := range entries {
		if err := copyTree(root, filepath.Join(from, entry.Name()), filepath.Join(to, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}

var (
	vendored = regexp.MustCompile(`\$vendorDir\s*\.\s*'/usr/share/`)
	absolute = regexp.MustCompile(`(['"])/usr/share/(php|php-geshi|javascript)/`)
)

// relocate makes the absolute paths that Debian patched in relative to the
// release again, so that two releases do not share files.
func relocate(tree string) error {
	return filepath.WalkDir(tree, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".php" {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		up, err := filepath.Rel(filepath.Dir(path), tree)
		if err != nil {
			return err
		}
		moved := vendored.ReplaceAll(data, []byte(`$$vendorDir . '/../../share/`))
		moved = absolute.ReplaceAll(moved, []byte(`__DIR__ . $1/`+up+`/share/$2/`))
		return os.WriteFile(path, moved, 0o644)
	})
}

// markRelease makes the tree the release tag: the entry script says its release in a
// header, the template includes a file that prints its own, and from the second
// release on the core's scripts are edited too.
func markRelease(tree, tag string) error {
	if err := applyOverlay(tree, tag, everything); err != nil {
		return err
	}
	header := fmt.Sprintf("<?php\nheader('%s: %s');\n", ReleaseHeader, tag)
	if err := edit(filepath.Join(tree, "public/doku.php"), regexp.MustCompile(`\A<\?php\n(header\('X-App-Release: \w+'\);\n)?`), header); err != nil {
		return err
	}
	if tag == "v1" {
		include := "<?php include __DIR__ . '/release.php' ?>\n</body>"
		return edit(filepath.Join(tree, "public/lib/tpl/dokuwiki/main.php"), regexp.MustCompile(`</body>`), include)
	}
	return editCore(tree, tag)
}

func editCore(tree, tag string) error {
	scripts, err := filepath.Glob(filepath.Join(tree, "public/inc/*.php"))
	if err != nil {
		return err
	}
	for _, script := range scripts {
		if err := edit(script, regexp.MustCompile(`\A<\?php\n`), "<?php\n// "+tag+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func edit(path string, at *regexp.Regexp, with string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !at.Match(data) {
		return fmt.Errorf("%s has no %s: this DokuWiki is not known", path, at)
	}
	with = strings.ReplaceAll(with, "$", "$$")
	return os.WriteFile(path, at.ReplaceAll(data, []byte(with)), 0o644)
}
