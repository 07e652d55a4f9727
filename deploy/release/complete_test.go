package release

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/hooks"
)

func must(t *testing.T, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// A zip has local times, and a clock may be ahead: OPcache keeps no script that was
// modified just now, or will be.
func TestNothingInAReleaseIsNewerThanOPcacheTakes(t *testing.T) {
	s := newStore(t)
	st := stage(t, s, "v1", "ahead/a.php", "old.php", "now.php")
	future, past := time.Now().Add(24*time.Hour), time.Date(2024, 1, 2, 3, 4, 5, 0, time.UTC)
	must(t, os.Chtimes(filepath.Join(st.Path(), "ahead/a.php"), future, future), os.Chtimes(filepath.Join(st.Path(), "ahead"), future, future),
		os.Chtimes(filepath.Join(st.Path(), "old.php"), past, past))
	r, err := st.Seal(t.Context(), Manifest{})
	must(t, err)
	for _, name := range []string{"ahead/a.php", "ahead", "now.php"} {
		info, err := os.Stat(filepath.Join(r.Path, name))
		if err != nil || time.Since(info.ModTime()) < 2*time.Second {
			t.Errorf("%s: %v, %v", name, info.ModTime(), err)
		}
	}
	if info, err := os.Stat(filepath.Join(r.Path, "old.php")); err != nil || !info.ModTime().Equal(past) {
		t.Errorf("an old file: %v, %v", info.ModTime(), err)
	}
}

func TestWhatABuildMakesUnderAUmaskOf077CanBeServed(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Log("of others it is not known whether PHP runs as they do")
		return
	}
	s := newStore(t)
	st := stage(t, s, "v1", "index.php", "secret", "groups")
	must(t, hooks.Run(t.Context(), "build", []string{"umask 077; mkdir vendor; echo > vendor/a.php; printf '#!/bin/sh' > run; chmod 700 run"}, hooks.Env{Dir: st.Path()}, 0, nil),
		os.Chown(filepath.Join(st.Path(), "secret"), 65534, 65534), os.Chmod(filepath.Join(st.Path(), "secret"), 0o600),
		os.Chown(filepath.Join(st.Path(), "groups"), 0, 65534), os.Chmod(filepath.Join(st.Path(), "groups"), 0o640))
	r, err := st.Seal(t.Context(), Manifest{})
	must(t, err)
	for name, want := range map[string]fs.FileMode{"vendor": fs.ModeDir | 0o755, "vendor/a.php": 0o644, "run": 0o755, "index.php": 0o644, "secret": 0o600, "groups": 0o640} {
		if info, err := os.Stat(filepath.Join(r.Path, name)); err != nil || info.Mode() != want {
			t.Errorf("%s is %v (%v), want %v", name, info.Mode(), err, want)
		}
	}
}

func TestLinksIntoTheStagingFolderLeadIntoTheRelease(t *testing.T) {
	s := newStore(t)
	st := stage(t, s, "v1", "storage/app/logo", "public/index.php")
	must(t, hooks.Run(t.Context(), "build", []string{
		`ln -s "$PWD/storage/app" public/storage; ln -s "$RELINK_RELEASE_DIR" self; ln -s /etc/hosts hosts; ln -s "$PWD/gone" nowhere; chown -h 65534:65534 self || true`,
	}, hooks.Env{Dir: st.Path(), ReleaseDir: st.Path()}, 0, nil))
	r, err := st.Seal(t.Context(), Manifest{})
	must(t, err)
	for name, want := range map[string]string{"public/storage": "../storage/app", "self": ".", "hosts": "/etc/hosts", "nowhere": "gone"} {
		if target, err := os.Readlink(filepath.Join(r.Path, name)); err != nil || target != want {
			t.Errorf("%s leads to %s (%v), want %s", name, target, err, want)
		}
	}
	if _, err := os.Stat(filepath.Join(r.Path, "public/storage/logo")); err != nil {
		t.Error(err)
	}
	if info, err := os.Lstat(filepath.Join(r.Path, "self")); os.Geteuid() == 0 && (err != nil || info.Sys().(*syscall.Stat_t).Uid != 65534) {
		t.Errorf("the link lost its owner, %v", err)
	}
}

func TestPointersOfGitLFSAreRefused(t *testing.T) {
	const attributes, pointer = "*.png filter=lfs diff=lfs merge=lfs -text\n", lfsPointer + "oid sha256:4d7a\nsize 12345\n"
	for name, test := range map[string]struct {
		files   map[string]string
		refused bool
	}{
		"a pointer":            {map[string]string{".gitattributes": attributes, "media/a.png": pointer}, true},
		"below":                {map[string]string{"media/.gitattributes": attributes, "media/b/a.png": pointer}, true},
		"no file matches":      {map[string]string{".gitattributes": attributes, "a.php": "<?php"}, false},
		"the files are there":  {map[string]string{".gitattributes": attributes, "a.png": "PNG"}, false},
		"no attributes for it": {map[string]string{".gitattributes": "# x filter=lfs\n", "tests/a.png": pointer}, false},
	} {
		st := stage(t, newStore(t), "v1")
		for file, content := range test.files {
			writeFile(t, filepath.Join(st.Path(), file), content)
		}
		_, err := st.Seal(t.Context(), Manifest{})
		if errors.Is(err, ErrIncomplete) != test.refused || err != nil && (!test.refused || !strings.Contains(err.Error(), "a.png")) {
			t.Errorf("%s: got %v", name, err)
		}
		if test.refused {
			wantHint(t, err, "git lfs install")
		}
	}
}

// Compiled configurations and containers hold absolute paths: those of the folder that
// the build ran in lead nowhere once the release has its name.
func TestABuildThatWritesItsOwnPathIntoAScriptIsRefused(t *testing.T) {
	for command, refused := range map[string]bool{
		`echo "<?php return '$PWD/views';" > cache.php`:          true,
		`mkdir -p var; pwd > var/a.php`:                          true,
		`pwd > build.log`:                                        false,
		`echo "<?php return __DIR__ . '/views';" > cache.php`:    false,
		`echo "<?php return '$RELINK_RELEASE/x';" > release.php`: false,
		`dd if=/dev/zero of=big.php bs=1M count=5 2>/dev/null`:   false,
	} {
		st := stage(t, newStore(t), "v1", "index.php")
		st.BuildBegins()
		must(t, hooks.Run(t.Context(), "build", []string{command}, hooks.Env{Dir: st.Path(), Release: "v1"}, 0, nil))
		_, err := st.Seal(t.Context(), Manifest{})
		if errors.Is(err, ErrNamesFolder) != refused || refused && !strings.Contains(err.Error(), ".php") {
			t.Errorf("%s: %v", command, err)
		}
	}
}
