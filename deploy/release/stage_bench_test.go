package release_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	folder, repository := newApplication(b)
	n := 0
	for name, from := range map[string]source.Source{
		"git": git.New(repository, filepath.Join(b.TempDir(), "cache.git"), false),
		"dir": dir.New(folder),
	} {
		b.Run(name, func(b *testing.B) {
			s := openStore(b)
			stageOnce(b, s, from, "first")
			began, spent := n, cpuTime(b)
			for b.Loop() {
				n++
				b.StopTimer()
				paused := cpuTime(b)
				change(b, folder, repository, n)
				spent += cpuTime(b) - paused
				b.StartTimer()
				stageOnce(b, s, from, fmt.Sprintf("v%d", n))
			}
			b.ReportMetric(float64((cpuTime(b)-spent).Milliseconds())/float64(n-began), "cpu-ms/op")
		})
	}
}

// BenchmarkDigest is of a release in a slot, and of the same one in a folder of its own, of
// which every file is read.
func BenchmarkDigest(b *testing.B) {
	folder, _ := newApplication(b)
	s := openStore(b)
	slotted, err := s.StageIn(b.Context(), "slotted", release.Turn{Slot: benchSlot, App: "app", Forget: func(context.Context, string, func(string) bool) error { return nil }})
	if err != nil {
		b.Fatal(err)
	}
	own, err := s.Stage("own")
	if err != nil {
		b.Fatal(err)
	}
	for id, st := range map[string]*release.Staging{"slotted": slotted, "own": own} {
		found, err := dir.New(folder).Resolve(b.Context(), id)
		if err == nil {
			err = st.Fetch(b.Context(), found, nil, nil)
		}
		var r release.Release
		if err == nil {
			r, err = st.Seal(b.Context(), release.Manifest{Source: "x"})
		}
		if err != nil {
			b.Fatal(err)
		}
		b.Run(id, func(b *testing.B) {
			repeated(b, func(b *testing.B) {
				if _, err := s.Digest(b.Context(), r, nil); err != nil {
					b.Fatal(err)
				}
			})
		})
	}
}

// BenchmarkFirstRelease is a release of which nothing is there, beside what
// "git archive | tar x" and a sync cost.
func BenchmarkFirstRelease(b *testing.B) {
	_, application := newApplication(b)
	from := git.New(application, filepath.Join(b.TempDir(), "cache.git"), false)
	if _, err := from.Resolve(b.Context(), "main"); err != nil {
		b.Fatal(err)
	}
	for name, first := range map[string]func(b *testing.B){
		"relink": func(b *testing.B) { stageOnce(b, openStore(b), from, "first") },
		"archive": func(b *testing.B) {
			to := b.TempDir()
			run(b, application, "", "sh", "-c", fmt.Sprintf("git archive main | tar x -C '%s' && sync -f '%s'", to, to))
		},
	} {
		b.Run(name, func(b *testing.B) { repeated(b, first) })
	}
}

// repeated tells, beside the time, what was used of a CPU: that stands other load better.
func repeated(b *testing.B, once func(b *testing.B)) {
	b.Helper()
	before, n := cpuTime(b), 0
	for ; b.Loop(); n++ {
		once(b)
	}
	b.ReportMetric(float64((cpuTime(b)-before).Milliseconds())/float64(n), "cpu-ms/op")
}

// BenchmarkFirstFetch is that of a repository of which nothing is there, beside
// "git clone --depth 1".
func BenchmarkFirstFetch(b *testing.B) {
	_, application := newApplication(b)
	for name, fetch := range map[string]func(b *testing.B, into string){
		"relink": func(b *testing.B, into string) {
			if _, err := git.New(application, filepath.Join(into, "cache.git"), false).Resolve(b.Context(), "main"); err != nil {
				b.Fatal(err)
			}
		},
		"clone": func(b *testing.B, into string) {
			run(b, into, "", "git", "clone", "--quiet", "--bare", "--branch", "main", "--depth", "1", "file://"+application, "clone.git")
		},
	} {
		b.Run(name, func(b *testing.B) {
			repeated(b, func(b *testing.B) { fetch(b, b.TempDir()) })
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
	err = st.Fetch(ctx, resolved.Fetcher, nil, nil)
	if err == nil {
		_, err = st.Seal(ctx, release.Manifest{Source: resolved.Source, Commit: resolved.Commit}, "public")
	}
	if err == nil {
		err = s.Remove(ctx, id)
	}
	if err != nil {
		b.Fatal(err)
	}
	if changed := len(st.Changes().Changed); id != "first" && changed != 2 {
		b.Fatalf("%d files have changed", changed)
	}
}

// newApplication makes a folder with a generated application, and a repository of it.
func newApplication(b *testing.B) (folder, repository string) {
	b.Helper()
	b.Setenv("HOME", b.TempDir())
	folder, repository = b.TempDir(), b.TempDir()
	run(b, repository, "", "git", "init", "--quiet", "--bare", "--initial-branch=main")
	changes := map[string]string{}
	for n := range benchFiles {
		name := fileName(n)
		changes[name] = content(n, 0)
		writeTo(b, folder, name, changes[name])
	}
	commit(b, repository, changes)
	return folder, repository
}

// fileName spreads the files over folders that lie three deep.
func fileName(n int) string {
	folder, suffix := n%benchFolders, "json"
	if n < benchScripts {
		suffix = "php"
	}
	return fmt.Sprintf("public/extension%d/part%d/file%d.%s", folder%50, folder/50, n, suffix)
}

// content is of 1 to 16 KB that do not compress well.
func content(n, version int) string {
	var text strings.Builder
	fmt.Fprintf(&text, "<?php // file %d, version %d\n", n, version)
	sum := sha256.Sum256([]byte(text.String()))
	for range 1 << (n % 5) {
		for range 16 {
			sum = sha256.Sum256(sum[:])
			text.WriteString(hex.EncodeToString(sum[:]))
		}
	}
	return text.String()
}

// change alters two files.
func change(b *testing.B, folder, repository string, version int) {
	b.Helper()
	changes := map[string]string{}
	for _, n := range []int{100, 20_000} {
		changes[fileName(n)] = content(n, version)
		writeTo(b, folder, fileName(n), changes[fileName(n)])
	}
	commit(b, repository, changes)
}

func writeTo(b *testing.B, folder, name, text string) {
	b.Helper()
	path := filepath.Join(folder, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
		b.Fatal(err)
	}
}

// commit has git read the files from a stream: that costs a pack, and not a file each.
func commit(b *testing.B, repository string, changes map[string]string) {
	b.Helper()
	var stream strings.Builder
	fmt.Fprintf(&stream, "commit refs/heads/main\ncommitter A <a@example.org> %d +0000\ndata 4\nnext\n", time.Now().Unix())
	if out, err := exec.Command("git", "--git-dir="+repository, "rev-parse", "--verify", "--quiet", "main").Output(); err == nil {
		fmt.Fprintf(&stream, "from %s\n", strings.TrimSpace(string(out)))
	}
	for name, text := range changes {
		fmt.Fprintf(&stream, "M 100644 inline %s\ndata %d\n%s\n", name, len(text), text)
	}
	run(b, repository, stream.String(), "git", "-c", "core.compression=1", "fast-import", "--quiet")
}

func run(b *testing.B, folder, input string, args ...string) {
	b.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Dir, cmd.Stdin = folder, strings.NewReader(input)
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
