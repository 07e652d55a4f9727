package demo

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"relink/deploy/apache"
	"relink/deploy/webmap"
	"relink/internal/hint"
	"relink/internal/sandbox"
	"relink/opcache"
)

// SetUp is how the demo's Apache runs PHP and names scripts to it.
type SetUp string

const (
	Resolved    SetUp = "resolved"    // PHP-FPM, by real paths: a map leads from site to release
	Revalidated SetUp = "revalidated" // PHP-FPM, through the links, with opcache.revalidate_path=1
	Keyed       SetUp = "keyed"       // PHP-FPM, through the links, with PHP's defaults
	ModPHP      SetUp = "mod_php"     // PHP inside of Apache, through the links, with PHP's defaults
)

var setUps = []SetUp{Resolved, Revalidated, Keyed, ModPHP}

func setUpNames() string {
	names := make([]string, len(setUps))
	for i, one := range setUps {
		names[i] = string(one)
	}
	return strings.Join(names, ", ")
}

// addressing is what relink has to find out about it.
func (s SetUp) addressing() opcache.Addressing {
	if s == ModPHP {
		return opcache.Keyed
	}
	return opcache.Addressing(s)
}

// told is what the story says of a set-up: what is special about it, from what to what its
// cut-over is, and the names of the servers and of what runs the scripts, and so must not be
// restarted.
type told struct{ About, CutOver, Servers, PHP string }

const fpmServers = "Apache and PHP-FPM"

var tells = map[SetUp]told{
	Resolved:    {"Apache looks each site's release up in a map, and PHP gets real paths.", ": a rename of Apache's map, for all at once", fpmServers, "PHP-FPM"},
	Revalidated: {"scripts are named through the links, with opcache.revalidate_path=1.", " from the first moved link to the last swept worker", fpmServers, "PHP-FPM"},
	Keyed:       {"scripts are named through the links, and PHP has its defaults.", " from the first moved link to the last invalidation", fpmServers, "PHP-FPM"},
	ModPHP:      {"PHP runs inside of Apache, and scripts are named through the links.", " from the first moved link to the last invalidation", "Apache with mod_php", "Apache"},
}

// processes of Apache with mod_php: each connection that one of the clients keeps
// takes one, and relink's own requests and the slow one need some besides.
const processes = 16

// briefly: a process is swept when the connection that keeps it ends, for which
// the deploy waits, and it brings the old release back until then.
var briefly = []string{"MaxKeepAliveRequests 5"}

// options are those of the servers, without sites.
func (s SetUp) options() sandbox.Options {
	// So that health finds nothing to warn of.
	master := sandbox.Master{Settings: map[string]string{"process_control_timeout": "10s"}}
	switch s {
	case Revalidated:
		master.INI = map[string]string{"opcache.revalidate_path": "1"}
	case ModPHP:
		// An idle pool, as Debian's packages often leave one beside mod_php: without
		// one in its configuration relink would look for those of this machine.
		master.Pools = []sandbox.Pool{{Name: "www", Workers: 1}}
		return sandbox.Options{Web: sandbox.WebApachePrefork, Children: processes, Masters: []sandbox.Master{master}, Directives: briefly}
	}
	return sandbox.Options{Masters: []sandbox.Master{master}}
}

// mapped writes what Apache reads in the set-up resolved, as "relink apache
// config" prints it, and the map: without that it does not start.
func (s *scene) mapped() error {
	if s.SetUp != Resolved {
		return nil
	}
	text, err := apache.Include{
		App: "wiki", Form: apache.FormVHost, Releases: s.releases(), Docroot: s.app.DocRoot, Map: s.webmap(), AllowOverride: "None",
	}.Text()
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.include(), []byte(text), 0o644); err != nil {
		return err
	}
	return webmap.Write(s.webmap(), nil)
}

// directives are those of a site's virtual host.
func (s *scene) directives(one site) []string {
	if s.SetUp != Resolved {
		return nil
	}
	return []string{"Define RELINK_INSTANCE " + one.name, fmt.Sprintf("Include %q", s.include())}
}

// missingPackages says all that is missing at once, with the one command that
// brings it.
func missingPackages(setUp SetUp) error {
	var what, packages []string
	need := func(present bool, name, pkg string) {
		if !present {
			what, packages = append(what, name), append(packages, pkg)
		}
	}
	need(installed("apache2", "/usr/sbin/apache2"), "Apache", "apache2-bin")
	_, err := sandbox.FindFPM("/")
	need(err == nil, "PHP-FPM", "php-fpm")
	if setUp == ModPHP {
		_, err := sandbox.FindModPHP()
		need(err == nil, "mod_php", "libapache2-mod-php")
	}
	need(installed("git"), "git", "git")
	return missingError(what, packages, installed("apt-get") && installed("dpkg-deb"))
}

func missingError(what, packages []string, debian bool) error {
	switch {
	case !debian:
		err := fmt.Errorf("demo: apt-get and dpkg-deb are missing: it takes its application from Debian's packages")
		return hint.With(err, "run the demo on Debian or Ubuntu; relink itself needs neither")
	case len(what) == 0:
		return nil
	}
	err := fmt.Errorf("demo: missing: %s", strings.Join(what, ", "))
	return hint.With(err, "as root run: apt-get update && apt-get install --no-install-recommends %s", strings.Join(packages, " "))
}

func installed(names ...string) bool {
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			return true
		}
	}
	return false
}
