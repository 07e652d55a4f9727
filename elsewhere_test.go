package main

import (
	"fmt"
	"strings"
	"testing"

	"relink/php/sandbox"
)

// elsewhere is where PHP-FPM runs, and so how it sees the folder of a front.
type elsewhere string

const (
	here      elsewhere = ""
	chroot    elsewhere = "/"        // in a jail, which the folder is
	container elsewhere = "/srv/app" // in other mounts, another network and other pids
)

// elsewhere puts the pools there.
func (f *front) elsewhere(m sandbox.Master) sandbox.Master {
	for i := range m.Pools {
		switch f.way.elsewhere {
		case chroot:
			m.Pools[i].Settings = map[string]string{"chroot": f.root}
		case container:
			m.Pools[i].TCP = true
			m.Container = &sandbox.Container{Binds: []sandbox.Bind{{Host: f.root, Inside: string(container)}}}
		}
	}
	return m
}

// seenAs is a folder as the pools see it; "" where that is the same path.
func (f *front) seenAs(folder string) string {
	if f.way.elsewhere == here {
		return ""
	}
	return strings.TrimRight(string(f.way.elsewhere), "/") + strings.TrimPrefix(folder, f.root)
}

func (f *front) pathMap() string {
	if f.way.elsewhere == here {
		return ""
	}
	return fmt.Sprintf(", path_map: [{host: %q, pool: %s}]", f.root, f.way.elsewhere)
}

// A whole deploy for PHP that sees the sites under other paths.
func TestElsewhere(t *testing.T) {
	for name, w := range map[string]way{
		"keyed, chroot":       {web: event, elsewhere: chroot},
		"revalidated, chroot": {web: event, elsewhere: chroot, revalidate: true},
		"resolved, chroot":    {web: event, elsewhere: chroot, resolved: true},
		"nginx, chroot":       {web: nginx, elsewhere: chroot},

		"keyed, container":       {web: event, elsewhere: container, handler: sandbox.HandlerMatch},
		"revalidated, container": {web: event, elsewhere: container, revalidate: true},
		"resolved, container":    {web: event, elsewhere: container, resolved: true},
		"nginx, container":       {web: nginx, elsewhere: container},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFront(t, w)
			f.relink(all("v1"), "deploy", "v1", "--all")
			f.beginLoad()
			f.relink(map[string]string{"club1": "v2"}, "deploy", "v2", "--instance", "club1")
			f.relink(all("v2"), "deploy", "v2", "--all")
			f.relink(map[string]string{"club2": "v1"}, "rollback", "--instance", "club2")
			f.relink(all("v1"), "deploy", "v1", "--all")
		})
	}
}
