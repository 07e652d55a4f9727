package e2e

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"relink/deploy/outcome"
)

// scriptsOf is an application of many scripts, of which each ref changes a few, and one
// comes and goes.
func scriptsOf(ref string) application {
	const scripts, changing = 100, 2
	app := application{}
	index := "<?php echo '" + ref + " ';"
	for n := range scripts {
		name := fmt.Sprintf("lib/part%03d.php", n)
		app[name] = fmt.Sprintf("<?php $parts[%d] = 'the same for ever';", n)
		if n < changing {
			app[name] = "<?php echo '" + ref + " ';"
		}
		index += " require __DIR__ . '/../" + name + "';"
	}
	if ref == "v1" || ref == "v3" {
		app["public/sometimes.php"] = "<?php echo '" + ref + "';"
		index += " require __DIR__ . '/sometimes.php';"
	}
	app["public/index.php"] = index
	app["public/second.php"] = "<?php require __DIR__ . '/../lib/part000.php';"
	app["public/slow.php"] = "<?php usleep(1000000); require __DIR__ . '/../lib/own.php'; echo '" + ref + " ', own();"
	app["lib/own.php"] = "<?php function own() { return '" + ref + "'; }"
	return app
}

// What a release has in common with the one that was in its slot costs nothing: it is
// neither written nor compiled, and OPcache's memory does not grow.
func TestSlotsCostWhatChanged(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"resolved, Apache", "resolved, nginx", "resolved, mod_php", "revalidated, Apache"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setups[name]
			w.app = scriptsOf
			f := newFront(t, w)
			for _, ref := range []string{"v3", "v4", "v5", "v6", "v7"} {
				f.commit(ref)
			}
			f.relink(all("v1"), "deploy", "v1", "--all")
			f.beginLoad()
			f.relink(all("v2"), "deploy", "v2", "--all")
			f.beginSlow()
			f.relink(all("v3"), "deploy", "v3", "--all")
			f.awaitSlow("v2")
			back := f.relink(all("v2"), "rollback", "--all")
			if back.Warm.Scripts == 0 || back.Warm.Cached != back.Warm.Scripts {
				t.Errorf("a way back to a release in its slot: %+v", back.Warm)
			}
			f.wantCheap(f.relink(all("v4"), "deploy", "v4", "--all"))
			f.relink(map[string]string{"club1": "v5"}, "deploy", "v5", "--instance", "club1")
			f.relink(all("v6"), "deploy", "v6", "--all") // both slots were in use
			f.wantCheap(f.relink(all("v7"), "deploy", "v7", "--all"))
			f.relink(all("v6"), "rollback", "--all")
			f.relink(all("v5"), "rollback", "--all", "--to", f.releaseOf("v5"))
		})
	}
}

// releaseOf is the first release that was made of a ref, wherever it is.
func (f *front) releaseOf(ref string) string {
	f.t.Helper()
	found, err := filepath.Glob(f.path("releases", ".relink", "*-"+ref+".json"))
	if err != nil || len(found) == 0 {
		f.t.Fatalf("releases of %s: %q, %v", ref, found, err)
	}
	return strings.TrimSuffix(filepath.Base(found[0]), ".json")
}

func (f *front) wantCheap(report outcome.Report) {
	f.t.Helper()
	releases, err := filepath.Glob(f.path("releases", "*"))
	f.must(err)
	if report.Staged.Slot == "" || report.Staged.Changed > 9 || report.Warm.Cached < 90 {
		f.t.Errorf("staged %+v, warm %+v, of %q", report.Staged, report.Warm, releases)
	}
}

// A request that began before the links left a release sees that one only, however many
// deploys it outlasts: where the web server sends real paths none waits for it.
func TestSlotsWaitForRequests(t *testing.T) {
	t.Parallel()
	long := func(ref string) application {
		app := scriptsOf(ref)
		app["public/slow.php"] = "<?php for ($i = 0; $i < 60; $i++) { usleep(100000); } require __DIR__ . '/../lib/own.php'; echo '" + ref + " ', own();"
		return app
	}
	for _, name := range []string{"resolved, Apache", "resolved, nginx", "resolved, mod_php"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setups[name]
			w.app = long
			f := newFront(t, w)
			for _, ref := range []string{"v3", "v4", "v5"} {
				f.commit(ref)
			}
			f.relink(all("v1"), "deploy", "v1", "--all")
			f.relink(all("v2"), "deploy", "v2", "--all")
			f.beginSlow()
			for _, ref := range []string{"v3", "v4", "v5"} {
				f.relink(all(ref), "deploy", ref, "--all")
			}
			f.awaitSlow("v2")
		})
	}
}

// A build that writes down where it ran (Laravel's config:cache, Symfony's container)
// ran where the release is; what comes back elsewhere is built again.
func TestBuildsThatNameTheirPath(t *testing.T) {
	t.Parallel()
	compiled := func(ref string) application {
		app := scriptsOf(ref)
		app["public/second.php"] = "<?php require require __DIR__ . '/../cache/config.php';"
		return app
	}
	for _, name := range []string{"resolved, Apache", "resolved, mod_php", "revalidated, nginx", "keyed, Apache", "keyed, nginx"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setups[name]
			w.app = compiled
			w.build = `mkdir -p cache && echo "<?php return '$PWD/lib/part000.php';" > cache/config.php`
			f := newFront(t, w)
			for _, ref := range []string{"v3", "v4"} {
				f.commit(ref)
			}
			f.relink(all("v1"), "deploy", "v1", "--all")
			f.beginLoad()
			f.relink(all("v2"), "deploy", "v2", "--all")
			f.relink(map[string]string{"club1": "v3"}, "deploy", "v3", "--instance", "club1")
			f.relink(all("v4"), "deploy", "v4", "--all")
			f.relink(all("v1"), "rollback", "--all", "--to", f.releaseOf("v1"))
			f.relink(all("v4"), "rollback", "--all", "--to", f.releaseOf("v4"))
			f.relink(all("v3"), "rollback", "--all", "--to", f.releaseOf("v3"))
			if out, err := relinkCommand(f.ctx, f.program, f.path("relink.yaml"), "prune", "--force").CombinedOutput(); err != nil {
				t.Errorf("prune: %v: %s", err, out)
			}
			f.wantPages("after a prune")
		})
	}
}

// Sites are deployed one after the other; a way back of all wants one release that was put
// away, and one that is in its slot still: making the one must not put away the other.
func TestRollbackOfSitesOnDifferentReleases(t *testing.T) {
	t.Parallel()
	for name, order := range map[string][2]string{"away first": {"club1", "club2"}, "away last": {"club2", "club1"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setups["resolved, nginx"]
			w.app = scriptsOf
			f := newFront(t, w)
			for _, ref := range []string{"v3", "v4", "v5"} {
				f.commit(ref)
			}
			one, two := order[0], order[1]
			f.relink(all("v1"), "deploy", "v1", "--all") // a folder of its own
			f.relink(all("v2"), "deploy", "v2", "--all")
			f.relink(map[string]string{two: "v3"}, "deploy", "v3", "--instance", two)
			f.relink(map[string]string{one: "v4", "club3": "v4"}, "deploy", "v4", "--instance", one, "--instance", "club3")
			f.relink(map[string]string{two: "v5"}, "deploy", "v5", "--instance", two) // puts v2 away
			f.relink(map[string]string{one: "v2", "club3": "v2", two: "v3"}, "rollback", "--all")
			f.wantPages("after a way back")
		})
	}
}
