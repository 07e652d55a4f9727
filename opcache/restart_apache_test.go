package opcache_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"relink/internal/config"
	"relink/internal/sandbox"
	"relink/opcache"
	"relink/opcache/restart"
	"relink/php/apache"
	"relink/php/probe"
)

// apacheFarm is a farm whose Apache runs PHP itself.
type apacheFarm struct {
	*farm
	secret  probe.Secret
	state   string
	control string // control program of that Apache
}

func newApacheFarm(t *testing.T) apacheFarm {
	t.Helper()
	f := apacheFarm{farm: newFarm(t, farmOptions{sites: 2, Options: sandbox.Options{Web: sandbox.WebApachePrefork, Children: 4}}), state: t.TempDir()}
	var err error
	f.secret, err = probe.EnsureSecret(f.state)
	f.must(err)
	for _, version := range []string{"v1", "v2", "v3"} {
		f.must(f.secret.Install(f.release(version), ".", "app", f.server.AgentDir()))
	}
	f.control = filepath.Join(t.TempDir(), "apachectl")
	f.must(os.WriteFile(f.control, []byte(controlOf(f.server.Root())), 0o755))
	return f
}

func controlOf(root string) string {
	apache := fmt.Sprintf("exec /usr/sbin/apache2 -d '%[1]s' -f '%[1]s/conf/apache.conf'", root)
	return fmt.Sprintf("#!/bin/sh\ncase $1 in\nconfigtest) %[1]s -t ;;\ngraceful) %[1]s -k graceful ;;\n*) %[1]s \"$@\" ;;\nesac\n", apache)
}

func (f apacheFarm) app() opcache.App {
	app := opcache.App{App: config.App{Name: "app", Releases: f.releases}, AgentDir: f.server.AgentDir()}
	for _, site := range f.sites {
		app.Instances = append(app.Instances, config.Instance{Name: site, Link: f.link(site), Probe: config.Probe{URL: f.server.URL() + "/", Host: site + ".test"}})
	}
	return app
}

func (f apacheFarm) setup() opcache.Setup {
	return opcache.Setup{Options: ordinary(opcache.Options{}), State: f.state, NoFPM: true, Apps: []opcache.App{f.app()}}
}

func (f apacheFarm) reach() *opcache.Caches {
	f.t.Helper()
	caches, err := f.setup().Reach(f.ctx, nil)
	f.must(err)
	return caches
}

func (f apacheFarm) now(method restart.Method) restart.Options {
	o := now(method)
	o.Apache = f.control
	return o
}

// Every Apache is one cache, whatever the number of its sites.
func TestWebFindsEachApacheOnce(t *testing.T) {
	t.Parallel()
	f, g := newApacheFarm(t), newApacheFarm(t)
	other := g.app()
	for _, version := range []string{"v1", "v2", "v3"} { // one server, and so one secret
		f.must(f.secret.Install(g.release(version), ".", "other", g.server.AgentDir()))
	}
	other.Name = "other"
	setup := f.setup()
	setup.Apps = append(setup.Apps, other)
	web := setup.Web(f.ctx, nil)
	if len(web.Pools) != 2 || !web.Alone || web.Hidden != nil || web.Pools[0].Apache == web.Pools[1].Apache {
		t.Fatalf("%+v", web)
	}
	want := fmt.Sprintf("mod_php %s/ (Apache pid %d)", f.server.URL(), web.Pools[0].Apache)
	if web.Pools[0].String() != want {
		t.Errorf("it is called %s, want %s", web.Pools[0], want)
	}
	if one := setup.Web(f.ctx, &setup.Apps[1]); len(one.Pools) != 1 || one.Pools[0].Apache != web.Pools[1].Apache {
		t.Errorf("%+v", one)
	}
	f.must(g.server.Stop())
	if one := setup.Web(f.ctx, nil); len(one.Pools) != 1 || one.Alone || one.Hidden == nil {
		t.Errorf("%+v", one)
	}
	setup.State = t.TempDir()
	if none := setup.Web(f.ctx, nil); len(none.Pools) != 0 || none.Alone {
		t.Errorf("without a secret: %+v", none)
	}
}

func TestRestartOfCacheInApache(t *testing.T) {
	t.Parallel()
	f := newApacheFarm(t)
	f.heat("index.php", "page.php")
	c := f.reach()
	before := f.usage(c)
	got := f.restart(c, f.now(restart.MethodAuto))
	if got.Action != restart.ReloadApache || !got.Proven || got.Warm.Scripts < 3 || got.PID == 0 {
		t.Errorf("%+v", got)
	}
	if after := f.usage(c); after.Started.Before(before.Started) || !after.Apache || after.Restarts != 0 {
		t.Errorf("%+v became %+v", before, after)
	}
	f.expect("club1", "index.php", "v1")
	if got := f.restart(c, f.now(restart.MethodOPcache)); got.Action != restart.Reset || got.After.Restarts != 1 {
		t.Errorf("%+v", got)
	}
}

// The control program may be that of another Apache of the machine, which is left alone.
func TestRestartOfAnotherApache(t *testing.T) {
	t.Parallel()
	f, g := newApacheFarm(t), newApacheFarm(t)
	c, other := f.reach(), g.reach()
	before, theirs := f.usage(c), f.usage(other)
	o := f.now(restart.MethodApache)
	o.Apache = g.control
	_, err := restart.Now(f.ctx, c, o)
	f.wantRefused(err, apache.ErrOther, "apache.control", "--method opcache")
	if f.usage(c).Started != before.Started || f.usage(other).Started != theirs.Started {
		t.Error("something was restarted")
	}
	o.Method = restart.MethodAuto
	if got := f.restart(c, o); got.Action != restart.Reset || !strings.Contains(strings.Join(got.Notes, ""), "another Apache") {
		t.Errorf("%+v", got)
	}
	if f.usage(other).Started != theirs.Started {
		t.Error("the other Apache was restarted")
	}
}

func TestRestartOfApacheWaitsForQuiet(t *testing.T) {
	t.Parallel()
	f := newApacheFarm(t)
	c := f.reach()
	until := filepath.Join(f.releases, "until")
	body := make(chan string, 1)
	go func() {
		text, err := f.fetch("club1", "slow.php?until="+until)
		if err != nil {
			text = err.Error()
		}
		body <- text
	}()
	f.awaitAge(time.Second)
	for _, method := range []restart.Method{restart.MethodApache, restart.MethodOPcache} {
		_, err := restart.Now(f.ctx, c, f.now(method))
		f.wantRefused(err, restart.ErrNotQuiet, "GET /slow.php", "--when-quiet")
	}
	waiting := make(chan error, 1)
	o := f.now(restart.MethodAuto)
	o.WhenQuiet, o.Wait = true, time.Minute
	o.Waiting = func(why error) {
		select {
		case waiting <- why:
		default:
		}
	}
	done := make(chan error, 1)
	go func() {
		_, err := restart.Now(f.ctx, c, o)
		done <- err
	}()
	f.wantRefused(<-waiting, restart.ErrNotQuiet, "slow.php")
	f.must(os.WriteFile(until, nil, 0o644))
	if text := <-body; !strings.Contains(text, "slow v1") {
		t.Errorf("the request in flight got %q", text)
	}
	f.must(<-done)
}

// awaitAge waits until a request has been running for that long.
func (f apacheFarm) awaitAge(age time.Duration) {
	f.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		requests, err := apache.Requests(f.ctx, f.server.URL()+"/server-status")
		f.must(err)
		if slices.ContainsFunc(requests, func(r apache.Request) bool { return r.Serves && r.Age >= age }) {
			return
		}
		select {
		case <-tick.C:
		case <-f.ctx.Done():
			f.t.Fatal("no request is ever that old")
		}
	}
}

func TestRestartOfApacheWithoutServerStatus(t *testing.T) {
	t.Parallel()
	f, g := newApacheFarm(t), newApacheFarm(t)
	c := f.reach()
	for _, page := range []string{"http://127.0.0.1:9/server-status", g.server.URL() + "/server-status", f.server.URL() + "/none"} {
		o := f.now(restart.MethodApache)
		o.ApacheStatus, o.WhenQuiet, o.Wait = page, true, time.Hour // waiting would not help
		_, err := restart.Now(f.ctx, c, o)
		f.wantRefused(err, restart.ErrQuietUnknown, "a2enmod status", "--force")
		o.Force = true
		if got := f.restart(c, o); got.Action != restart.ReloadApache || len(got.Notes) == 0 {
			t.Errorf("%+v", got)
		}
	}
}
