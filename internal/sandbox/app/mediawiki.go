package app

import (
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

var (
	//go:embed mediawiki/build.sh
	mediawikiBuild string
	//go:embed mediawiki/LocalSettings.php
	mediawikiSettings []byte
)

// MediaWiki is a large application, 23,500 files of Debian's packages, with a wiki in
// SQLite that all sites share. It is downloaded with apt and kept in the folder cache; the
// releases are made in a repository in dir. It has no page that sleeps, and none of Paths
// writes to the wiki: SQLite would sync the disk for each.
func MediaWiki(ctx context.Context, cache, dir string) (*Line, error) {
	key := sha256.Sum256(append([]byte(mediawikiBuild), mediawikiSettings...))
	built, err := kept(ctx, cache, "mediawiki-"+hex.EncodeToString(key[:])[:12], buildMediaWiki)
	if err != nil {
		return nil, err
	}
	w := mediawiki{tree: filepath.Join(built, "tree")}
	a := App{
		Repository: filepath.Join(dir, "mediawiki.git"), DocRoot: "public", data: filepath.Join(built, "data"),
		Paths: []string{"/index.php?title=Main_Page", "/index.php?title=Special:Version", "/index.php?title=Special:AllPages", "/index.php?title=Main_Page&action=history"},
	}
	number, err := w.count()
	if err != nil {
		return nil, err
	}
	return &Line{App: a, Files: number, few: w.few, all: w.all}, git(ctx, "clone", "--quiet", "--bare", "--local", filepath.Join(built, "mediawiki.git"), a.Repository)
}

// buildMediaWiki makes temp/done.
func buildMediaWiki(ctx context.Context, temp string) error {
	own := filepath.Join(temp, "own")
	if err := errors.Join(os.Mkdir(own, 0o755), os.WriteFile(filepath.Join(own, "LocalSettings.php"), mediawikiSettings, 0o644)); err != nil {
		return err
	}
	if err := script(ctx, mediawikiBuild, temp); err != nil {
		return err
	}
	done := filepath.Join(temp, "done")
	w := mediawiki{tree: filepath.Join(done, "tree")}
	_, err := newLine(ctx, &Line{App: App{Repository: filepath.Join(done, "mediawiki.git")}, all: w.all})
	return err
}

type mediawiki struct{ tree string }

// The files in which a release says which it is: the entry script in a header, and another
// one in each page.
const (
	entryScript = "public/index.php"
	markScript  = "public/release-mark.php"
)

// few are these two, as in a release that mends one thing.
func (w mediawiki) few(tag string, _ int) files {
	return func(put func(string, []byte)) error {
		for _, name := range []string{entryScript, markScript} {
			content, err := os.ReadFile(filepath.Join(w.tree, name))
			if err != nil {
				return err
			}
			put(name, stamped(name, content, tag, 0))
		}
		return nil
	}
}

func (w mediawiki) all(tag string, number int) files {
	return inFolder(w.tree, func(name string, content []byte) []byte { return stamped(name, content, tag, number) })
}

func (w mediawiki) count() (n int, err error) {
	err = w.all("", 0)(func(string, []byte) { n++ })
	return n, err
}

const opening = "<?php"

// stamped makes of a file one that no other release has: by a comment in a script, and by
// empty lines at the end of what is none.
func stamped(name string, content []byte, tag string, number int) []byte {
	switch {
	case name == entryScript:
		return bytes.Replace(content, []byte(opening), fmt.Appendf(nil, "%s header('%s: %s');", opening, ReleaseHeader, tag), 1)
	case name == markScript:
		return fmt.Appendf(nil, "%s\n$wgHooks['BeforePageDisplay'][] = function ( $out ) {\n\t$out->addHTML( '<!-- template %s -->' );\n};\n", opening, tag)
	case strings.HasSuffix(name, ".php"):
		return bytes.Replace(content, []byte(opening), fmt.Appendf(nil, "%s /* %s */", opening, tag), 1)
	}
	return append(content, bytes.Repeat([]byte{'\n'}, number)...)
}
