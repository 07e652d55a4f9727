package release_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/release"
	"relink/deploy/source"
	"relink/deploy/source/dir"
	"relink/deploy/source/git"

	"golang.org/x/sys/unix"
)

// An application of MediaWiki's size: what staging costs is told by the number of files.
const (
	benchFolders = 2_500
	benchFiles   = 23_500
	benchScripts = 5_900
	benchSlot    = "slot-bench1"
)

// BenchmarkStage makes a release in which two files differ from the one in the slot.
func BenchmarkStage(b *testing.B) {
	application := newApplication(b)
	for name, from := range map[string]source.Source{
		"git": git.New(application, filepath.Join(b.TempDir(), "cache.git"), false),
		"dir": dir.New(application),
	} {
		b.Run(name, func(b *testing.B) {
			s := openStore(b)
			stageOnce(b, s, from, "first")
			spent := cpuTime(b)
			n := 0
			for b.Loop() {
				n++
				b.StopTimer()
				paused := cpuTime(b)
				change(b, application, n)
				spent += cpuTime(b) - paused
				b.StartTimer()
				stageOnce(b, s, from, fmt.Sprintf("v%d", n))
			}
			b.ReportMetric(float64((cpuTime(b)-spent).Milliseconds())/float64(n), "cpu-ms/op")
		})
	}
}

// BenchmarkFirstRelease is a release of which nothing is there, beside what
// "git archive | tar x" and a sync cost.
func BenchmarkFirstRelease(b *testing.B) {
	application := newApplication(b)
	for name, first := range map[string]func(b *testing.B){
		"relink": func(b *testing.B) {
			from := git.New(application, filepath.Join(b.TempDir(), "cache.git"), false)
			stageOnce(b, openStore(b), from, "fetched")
			for b.Loop() {
				stageOnce(b, openStore(b), from, "first")
			}
		},
		"archive": func(b *testing.B) {
			for b.Loop() {
				to := b.TempDir()
				run(b, application, "sh", "-c", fmt.Sprintf("git archive HEAD | tar x -C '%s' && sync -f '%s'", to, to))
			}
		},
	} {
		b.Run(name, first)
	}
}

// BenchmarkFirstFetch is that of a repository of which nothing is there, beside
// "git clone --depth 1".
func BenchmarkFirstFetch(b *testing.B) {
	application := newApplication(b)
	for name, fetch := range map[string]func(b *testing.B, into string){
		"relink": func(b *testing.B, into string) {
			if _, err := git.New(application, filepath.Join(into, "cache.git"), false).Resolve(b.Context(), "main"); err != nil {
				b.Fatal(err)
			}
		},
		"clone": func(b *testing.B, into string) {
			run(b, into, "git", "clone", "--quiet", "--bare", "--depth", "1", "file://"+application, "clone.git")
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				fetch(b, b.TempDir())
			}
		})
	}
}

func openStore(b *testing.B) *release.Store {
	b.Helper()
	s, err := release.Open(filepath.Join(b.TempDir(), "releases"))
	if err != nil {
		b.Fatal(err)
	}
	return s
}

// stageOnce makes a release, and takes it out of its slot again.
func stageOnce(b *testing.B, s *release.Store, from source.Source, id string) {
	b.Helper()
	ctx := b.Context()
	resolved, err := from.Resolve(ctx, "main")
	if err != nil {
		b.Fatal(err)
	}
	st, err := s.StageIn(ctx, id, release.Turn{Slot: benchSlot, App: "app", Forget: func(context.Context, string, func(string) bool) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	err = st.Fetch(ctx, func(into string) (func(string) bool, error) {
		return resolved.Fetcher.(source.Updater).Update(ctx, into, st, nil)
	})
	if err == nil {
		_, err = st.Links(ctx)
	}
	if err == nil {
		_, err = st.Seal(ctx, release.Manifest{Source: resolved.Source, Commit: resolved.Commit}, "public")
	}
	if err == nil {
		err = s.Remove(ctx, id)
	}
	if err != nil {
		b.Fatal(err)
	}
	if changed := len(st.Changes().Changed); id != "first" && id != "fetched" && changed != 2 {
		b.Fatalf("%d files have changed", changed)
	}
}

// newApplication makes a repository with a generated application.
func newApplication(b *testing.B) string {
	b.Helper()
	b.Setenv("HOME", b.TempDir())
	application := b.TempDir()
	for n := range benchFiles {
		name := fileName(application, n)
		if n < benchFolders {
			if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
				b.Fatal(err)
			}
		}
		if err := os.WriteFile(name, content(n, 0), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	run(b, application, "git", "init", "--quiet", "--initial-branch=main")
	commit(b, application)
	return application
}

// fileName spreads the files over folders that lie three deep.
func fileName(application string, n int) string {
	folder, suffix := n%benchFolders, "json"
	if n < benchScripts {
		suffix = "php"
	}
	return filepath.Join(application, "public", fmt.Sprintf("extension%d", folder%50), fmt.Sprintf("part%d", folder/50), fmt.Sprintf("file%d.%s", n, suffix))
}

// content is of 1 to 16 KB that do not compress well.
func content(n, version int) []byte {
	var text strings.Builder
	fmt.Fprintf(&text, "<?php // file %d, version %d\n", n, version)
	sum := sha256.Sum256([]byte(text.String()))
	for range 1 << (n % 5) {
		for range 16 {
			sum = sha256.Sum256(sum[:])
			text.WriteString(hex.EncodeToString(sum[:]))
		}
	}
	return []byte(text.String())
}

func change(b *testing.B, application string, version int) {
	b.Helper()
	for _, n := range []int{100, 20_000} {
		if err := os.WriteFile(fileName(application, n), content(n, version), 0o644); err != nil {
			b.Fatal(err)
		}
	}
	commit(b, application)
}

func commit(b *testing.B, application string) {
	b.Helper()
	run(b, application, "git", "add", "--all")
	run(b, application, "git", "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "gc.auto=0", "commit", "--quiet", "--message", "next")
}

func run(b *testing.B, folder string, args ...string) {
	b.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir = folder
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("%q: %v\n%s", args, err, out)
	}
}

// cpuTime is what this process and its children have used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var used unix.Rusage
		if err := unix.Getrusage(who, &used); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(used.Utime.Nano() + used.Stime.Nano())
	}
	return sum
}
