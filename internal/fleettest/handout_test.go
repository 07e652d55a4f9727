package fleettest

import (
	"crypto/rand"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/fleet/ca"
)

const handOutPort = "9159"

// handingOut are hosts that have certificates, and hand releases to each other.
func handingOut(t *testing.T, hosts int) *farm {
	t.Helper()
	authority := ca.Folder(t.TempDir())
	signs, err := authority.MakeAuthority("test", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return newFleet(t, hosts, 2, func(s *spec) {
		own := ca.Folder(t.TempDir())
		key, err := own.MakeHostKey()
		if err != nil {
			t.Fatal(err)
		}
		issued, err := signs.Issue(ca.Host{Name: s.Name, Addresses: []netip.Addr{netip.MustParseAddr(s.Address)}}, key.Public(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(string(own), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, err := range []error{own.Trust(signs.Certificate), own.Keep(issued)} {
			if err != nil {
				t.Fatal(err)
			}
		}
		s.Extra = fmt.Sprintf("  dir: %q\n  serve: \"%s:%s\"\n", own, s.Address, handOutPort)
	})
}

// archive makes one of a tag, as a build in CI would.
func (f *farm) archive(tag string) string {
	f.t.Helper()
	file := filepath.Join(f.root, tag+".tar.gz")
	if out, err := exec.Command("git", "-C", f.line.Repository, "archive", "--output", file, tag).CombinedOutput(); err != nil {
		f.t.Fatalf("%v: %s", err, out)
	}
	return file
}

// What was built once comes to all hosts from the one where it lies, and of a later one only
// what has changed; a host that was away gets it from another one, where the first is gone.
func TestArchive(t *testing.T) {
	t.Parallel()
	f := handingOut(t, 3)
	first := f.relink(0, "fleet", "deploy", f.archive("v1"))
	f.wantOn("v1")
	f.must(f.line.Few(f.ctx, "v2"))
	l, _ := f.beginLoad(2)
	second := f.relink(0, "fleet", "deploy", f.archive("v2"))
	f.wantOn("v2")
	if result := l.Stop(); result.Errors != 0 {
		t.Errorf("%d of %d requests failed: %q", result.Errors, result.Requests, result.Described)
	}
	if first.Votes["web1"].Fetched != nil {
		t.Errorf("%+v", first.Votes["web1"].Fetched)
	}
	for _, name := range []string{"web2", "web3"} {
		all, few := first.Votes[name].Fetched, second.Votes[name].Fetched
		if all == nil || few == nil || all.Files < files || few.Files == 0 || few.Files >= all.Files/2 || few.Of < files || few.Bytes >= all.Bytes {
			t.Fatalf("%s: %+v, then %+v", name, all, few)
		}
		t.Logf("%s: %+v, then %+v", name, *all, *few)
	}

	f.must(f.hosts[2].agent.Process.Signal(syscall.SIGTERM))
	f.must(f.hosts[2].agent.Wait())
	f.must(f.line.Few(f.ctx, "v3"))
	f.relink(4, "fleet", "deploy", f.archive("v3"), "--quorum", "2")
	kill(f.hosts[0].agent)
	f.must(os.RemoveAll(f.hosts[0].path("state", "fleet-depot")))
	f.hosts[2].startAgent()
	f.hosts[2].awaitReady(true)
	if !f.hosts[2].on("v3") {
		t.Errorf("%q", f.hosts[2].releases())
	}
}

// A folder is taken as an archive is; and a host that was killed while it fetched goes on
// where it was.
func TestKilledWhileItFetches(t *testing.T) {
	t.Parallel()
	f := handingOut(t, 2)
	folder := filepath.Join(f.root, "build")
	f.must(os.Mkdir(folder, 0o755))
	if out, err := exec.Command("tar", "-xzf", f.archive("v1"), "-C", folder).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	const large = 24 << 20
	content := make([]byte, large)
	_, _ = rand.Read(content)
	f.must(os.WriteFile(filepath.Join(folder, "public", "film.bin"), content, 0o644))
	slow := exec.Command("tc", "qdisc", "add", "dev", f.net.name(1), "root", "tbf", "rate", "80mbit", "burst", "64kb", "latency", "100ms")
	if out, err := slow.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	second := f.hosts[1]
	f.relink(4, "fleet", "deploy", folder, "--wait", "0s")
	f.await("a third of the file has come", func() bool { return partOf(second.path("state", "fleet-depot", "files")) > large/3 })
	kill(second.agent)
	second.startAgent()
	f.await("all are on it", f.settled)
	f.wantOn("build")
	v, err := f.store.View(f.ctx)
	f.must(err)
	fetched := v.Votes["club"]["web2"].Fetched
	if fetched == nil || fetched.Bytes >= large*3/4 || !slices.Equal(fetched.From, []string{"web1"}) {
		t.Errorf("%+v", fetched)
	}
}

// partOf is how much has come of the file that is on its way.
func partOf(folder string) (bytes int64) {
	_ = filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".part") {
			if info, err := entry.Info(); err == nil {
				bytes = info.Size()
			}
		}
		return nil
	})
	return bytes
}
