package e2e

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relink/deploy/outcome"
	"relink/internal/sandbox"
	"relink/opcache"
)

// elsewhere is where PHP-FPM runs, and so how it sees the folder of a front.
type elsewhere string

const (
	here      elsewhere = ""
	chroot    elsewhere = "chroot"    // its root is the folder
	container elsewhere = "container" // in other mounts, another network and other pids
	jails     elsewhere = "jails"     // the second site is served from another chroot than the others, by the same master
)

// inside is where the folder lies for the pools.
var inside = map[elsewhere]string{chroot: "/", container: "/srv/app", jails: "/"}

// elsewhere puts the pools there.
func (f *front) elsewhere(m sandbox.Master) sandbox.Master {
	switch f.way.elsewhere {
	case chroot:
		m.Pools[0].Settings = map[string]string{"chroot": f.root}
	case container:
		m.Pools[0].TCP = true
		m.Settings = map[string]string{"process_control_timeout": "10"}
		m.Place = &enclosure{binds: []bind{{f.root, inside[container]}}}
	case jails:
		m.Pools = append(m.Pools, sandbox.Pool{Name: "other", Workers: f.workers()})
		place := &enclosure{sharePIDs: true}
		m.Place = place
		for i := range m.Pools {
			jail := filepath.Join("/srv", m.Pools[i].Name)
			m.Pools[i].TCP = true
			m.Pools[i].Settings = map[string]string{"chroot": jail}
			for _, folder := range []string{"www", "releases", "srv"} {
				place.binds = append(place.binds, bind{f.path(folder), filepath.Join(jail, folder)})
			}
		}
	}
	return m
}

// seenAs is a folder as the pools see it; "" where that is the same path.
func (f *front) seenAs(folder string) string {
	if f.way.elsewhere == here {
		return ""
	}
	return strings.TrimRight(inside[f.way.elsewhere], "/") + strings.TrimPrefix(folder, f.root)
}

// pathMap is the rest of a pool's configuration: a container's master can only be
// reloaded by a command.
func (f *front) pathMap(pool sandbox.PoolInfo) string {
	if f.way.elsewhere == here {
		return ""
	}
	host := f.root
	if f.way.unmapped {
		host = f.path("no-such-folder")
	}
	return fmt.Sprintf(", path_map: [{host: %q, pool: %s}], command: [kill, -USR2, %q]", host, inside[f.way.elsewhere], fmt.Sprint(pool.MasterPID))
}

var faraway = map[string]way{
	"keyed, chroot":                    {web: event, elsewhere: chroot},
	"resolved, chroot":                 {web: event, elsewhere: chroot, resolved: true},
	"keyed, two chroots of one master": {web: nginx, elsewhere: jails, ini: map[string]string{"opcache.validate_root": "1"}},
	"keyed, container, ProxyPassMatch": {web: event, elsewhere: container, handler: sandbox.HandlerMatch},
	"revalidated, container":           {web: nginx, elsewhere: container, revalidate: true},
	"resolved, container":              {web: event, elsewhere: container, resolved: true},
}

// A whole deploy for PHP that sees the sites under other paths than relink, with
// pids of its own in a container.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for _, name := range slices.Sorted(maps.Keys(faraway)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, faraway[name])
			f.far(all("v1"), "deploy", "v1", "--all")
			f.beginLoad()
			f.far(map[string]string{"club1": "v2"}, "deploy", "v2", "--instance", "club1")
			f.far(all("v2"), "deploy", "v2", "--all")
			f.far(map[string]string{"club2": "v1"}, "rollback", "--instance", "club2")
		})
	}
}

// far is relink whose report has to prove as much as that of a pool that is near:
// each site through its front door, each worker by its pid, and nothing warned of.
func (f *front) far(moved map[string]string, args ...string) {
	f.t.Helper()
	report := f.relink(moved, args...)
	if len(report.Warnings) > 0 {
		f.t.Errorf("relink %q: warnings %q", args, report.Warnings)
	}
	for _, seen := range report.FrontDoor {
		on := slices.IndexFunc(report.Instances, func(i outcome.Instance) bool { return i.Name == seen.Instance })
		if on < 0 || seen.Release != report.Instances[on].To || seen.SetUp != f.way.setUp() {
			f.t.Errorf("relink %q: the front door of %s shows %+v", args, seen.Instance, seen)
		}
	}
	if swept := report.Sweep; report.Previous != "" && f.way.setUp() != opcache.Resolved && swept.Settled != swept.Pools*f.workers() { // one that was busy is reached after the cut-over only
		f.t.Errorf("relink %q: swept %+v", args, swept)
	}
	if len(report.FrontDoor) == 0 {
		f.t.Errorf("relink %q: nothing seen through the front door", args)
	}
}

func (w way) setUp() opcache.Addressing {
	switch {
	case w.resolved:
		return opcache.Resolved
	case w.revalidate:
		return opcache.Revalidated
	}
	return opcache.Keyed
}

// A master in a container is reloaded by the command of its pool, and that is
// proven by its pools alone.
func TestReloadInContainer(t *testing.T) {
	t.Parallel()
	f := newFront(t, way{web: event, elsewhere: container})
	f.relink(all("v1"), "deploy", "v1", "--all")
	out, err := relinkCommand(f.ctx, delivered, f.path("relink.yaml"), "opcache", "reset", "--method", "fpm").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"proven": true`) {
		t.Fatalf("%v\n%s", err, out)
	}
	f.wantPages("after the reload")
}

// Where path_map is wrong, the front door tells: after the first deploy, and from
// then on before anything moves. Both names of the folder are in the hint.
func TestWrongPathMap(t *testing.T) {
	t.Parallel()
	f := newFront(t, way{web: event, elsewhere: container, resolved: true, unmapped: true})
	want := fmt.Sprintf("path_map: [{host: %s, pool: /srv/app/releases}]", f.path("releases"))
	for _, ref := range []string{"v1", "v2"} {
		report, _ := f.run("deploy", ref, "--all")
		if report.Error == nil || !strings.Contains(strings.Join(report.Error.Hints, " "), want) {
			t.Fatalf("deploy %s: exit %d, %+v; want the hint %q", ref, report.Exit, report.Error, want)
		}
		maps.Copy(f.on, all("v1"))
		f.wantPages("after deploy " + ref)
	}
}

// Nothing of a container outlives it: neither its device nor a process.
func TestContainerLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFront(t, way{web: event, elsewhere: container})
	pool := f.server.Pool("")
	workers, err := f.server.WorkerPIDs("")
	f.must(err)
	f.must(f.server.Stop())
	for _, pid := range append(workers, pool.MasterPID) {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d: %v, want none", pid, err)
		}
	}
	host, _, err := net.SplitHostPort(strings.TrimPrefix(pool.Address, "tcp:"))
	f.must(err)
	own, err := net.InterfaceAddrs()
	f.must(err)
	for _, one := range own {
		if network, ok := one.(*net.IPNet); ok && network.Contains(net.ParseIP(host)) {
			t.Errorf("%s is still on a device", network)
		}
	}
}
