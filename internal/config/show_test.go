package config_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"relink/internal/config"

	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("relink.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func show(t testing.TB, c *config.Config, format string) string {
	t.Helper()
	var out bytes.Buffer
	if err := config.Show(&out, c, format); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

const smallest = `
apps:
  booking:
    source: {git: /srv/git/booking.git}
    releases: /srv/releases/booking
    instances: {club1: /var/www/club1}
`

func full(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryKeyIsRead(t *testing.T) {
	c := parse(t, full(t))
	check := func(name string) *config.Check {
		return &config.Check{URL: "http://127.0.0.1:8080/health", Host: name + ".example.org", Status: 200, Timeout: 3 * time.Second}
	}
	probe := func(name string) config.Probe {
		return config.Probe{URL: "http://127.0.0.1:8080/shop/", Host: name + ".example.org"}
	}
	want := &config.Config{
		Path: "relink.yaml", StateDir: "/var/lib/relink/state", Reset: "smart", APCu: "clear", Stale: "report",
		Apps: []config.App{{
			Name: "booking", Source: config.Source{Kind: "git", Location: "/srv/git/booking.git", Submodules: true},
			Releases: "/srv/releases/booking", Keep: 0, MinFree: 1 << 30, LinkTarget: ".", Docroot: "public",
			Instances: []config.Instance{
				{Name: "zebra", Link: "/var/www/zebra", Check: check("zebra"), Probe: probe("zebra")},
				{Name: "club1", Link: "/var/www/club1", Check: check("club1"), Probe: probe("club1")},
				{Name: "plain", Link: "/var/www/plain", Check: &config.Check{Off: true, Status: 200}, Probe: config.Probe{Off: true}},
				{Name: "2024", Link: "/var/www/2024", Check: &config.Check{
					URL: "http://127.0.0.1/", Host: "2024.example.org", Status: 301, Contains: "é", Timeout: 90 * time.Second,
				}, Probe: probe("2024")},
			},
			Check: check("{instance}"), Probe: probe("{instance}"), Map: "/var/lib/relink/booking.map",
			Shared: []string{".env", "var/uploads/"}, SharedDir: "/srv/shared/booking",
			Assets: []string{"public/build", "public/assets"},
			Hooks: config.Hooks{
				Build:        []string{"composer install --no-dev", "npm ci\nnpm run build\n"},
				BeforeSwitch: []string{"php bin/migrate"}, AfterSwitch: []string{"systemctl restart queue"}, Timeout: time.Hour, BuildPriority: "normal",
			},
			Pools: []string{"unix:/run/php/booking.sock"},
		}, {
			Name: "Mobile-App_2.0", Source: config.Source{Kind: "archive", Location: "/srv/builds/mobile-{ref}.tar.gz"},
			Releases: "/srv/rélease s/mobile", Keep: 3, MinFree: 100 << 20, LinkTarget: ".", Docroot: ".",
			Instances:     []config.Instance{{Name: "naïve", Link: "/var/www/na ïve", Probe: config.Probe{}}},
			InstancesFrom: &config.InstancesFrom{Pattern: "/nonexistent/*/current", Except: []string{"html"}},
			SharedDir:     "/srv/rélease s/shared", Hooks: config.Hooks{Timeout: 2 * time.Hour, BuildPriority: "low"},
		}},
		Pools: []config.Pool{
			{Address: "unix:/run/php/booking.sock", StatusPath: "/fpm-status", AgentDir: "/var/lib/relink"},
			{
				Address: "tcp:127.0.0.1:9000", StatusPath: "/status", AgentDir: "/var/lib/relink",
				PathMap: []config.PathMapping{{Host: "/srv/releases", Pool: "/app/releases"}, {Host: "/var/lib/relink", Pool: "/relink"}},
				Command: []string{"docker", "kill", "-s", "USR2", "php"},
			},
		},
		Apache:     config.Apache{Control: "/usr/sbin/apachectl", Status: "http://127.0.0.1:8080/server-status", AgentDir: "/srv/agent"},
		Thresholds: config.Thresholds{Waste: 0.1, FreeBytes: 33554433, Keys: 1, Strings: 0, JIT: 0.8, HitRate: 0.95, HitRateRequests: 500},
		Restart:    config.Restart{Method: "fpm", Wait: 0, Quiet: 2 * time.Second},
		Warm:       config.Warm{Workers: 2, Slice: 100 * time.Millisecond},
		Health: config.Health{
			Timeout: 4 * time.Second, Window: time.Hour, Skip: []string{"xdebug", "preload"},
			Bounds: map[string]config.Bounds{
				"latency":      {Warning: 0.1, Critical: 1},
				"listen_queue": {Warning: 1, Critical: 2}, "max_children": {Warning: 3, Critical: 4},
				"slow_requests": {Warning: 5, Critical: 6}, "memory": {Warning: 0.5, Critical: 0.6},
				"waste": {Warning: 0.1, Critical: 0.2}, "keys": {Warning: 0.3, Critical: 0.4},
				"strings": {Warning: 0.7, Critical: 0.8}, "jit": {Warning: 0.55, Critical: 0.65},
				"restarts": {Warning: 7, Critical: 8}, "mixed": {Critical: 1800},
				"releases": {Warning: 9, Critical: 9}, "hit_rate": {Warning: 0.99, Critical: 0.9},
				"disk": {Warning: 0.2, Critical: 0.15}, "inodes": {Warning: 0.25},
			},
		},
		Serve: config.Serve{
			Listen: "10.0.0.1:9156", Interval: 10 * time.Second, History: 32 << 20, Restart: config.ServeNeeded, TokenFile: "/etc/relink/token",
			TLS: config.ServeTLS{Cert: "/etc/relink/tls.pem", Key: "/etc/relink/tls.key", ClientCA: "/etc/relink/clients.pem"},
		},
		Fleet: &config.Fleet{
			Name: "shop", Host: "web1", Labels: []string{"role=web", "zone=a"},
			Etcd: config.Etcd{
				Endpoints: []string{"https://10.0.0.1:2379"},
				CA:        "/etc/relink/fleet/ca.pem", Cert: "/etc/relink/fleet/host.pem", Key: "/etc/relink/fleet/host.key",
			},
			Dir: "/srv/relink/fleet", Renew: "10.0.0.1:9158",
			Ready: "10.0.0.2:9157", Quorum: "80%", Prepare: 5 * time.Minute, Switch: time.Minute, Lease: 10 * time.Second, Absent: 20 * time.Second,
		},
		Timeouts: config.Timeouts{
			Call: 20 * time.Second, Sweep: 5 * time.Second, Settle: 90 * time.Second,
			Hook: 2 * time.Hour, Check: 3 * time.Second, Fetch: 15 * time.Minute,
		},
	}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestDefaults(t *testing.T) {
	want := `# relink.yaml with its defaults
state_dir: /var/lib/relink/state
reset: smart
apcu: keep
stale_workers: end
apps:
  booking:
    source:
      git: /srv/git/booking.git
    releases: /srv/releases/booking
    keep: 3
    min_free: 100MB
    link_target: .
    docroot: .
    instances:
      club1: /var/www/club1
    shared_dir: /srv/releases/shared
    hooks:
      timeout: 10m
      build_priority: low
apache:
  control: apachectl
  agent_dir: /var/lib/relink
thresholds:
  waste: 0.2
  free_bytes: 16MB
  keys: 0.9
  strings: 0.95
  jit: 0.95
  hit_rate: 0.9
  hit_rate_requests: 1000
restart:
  method: auto
  wait: 1m
  quiet: 1s
warm:
  workers: 1
  slice: 200ms
  pause: 50ms
health:
  timeout: 5s
  window: 15m
  latency:
    warning: 500ms
    critical: 2s
  listen_queue:
    warning: 5
    critical: 50
  max_children:
    warning: 0
    critical: 100
  slow_requests:
    warning: 0
    critical: 100
  memory:
    warning: 0.9
    critical: 0.97
  waste:
    warning: 0.25
    critical: 0.5
  keys:
    warning: 0.9
    critical: 0.97
  strings:
    warning: 0.95
    critical: 1
  jit:
    warning: 0.9
    critical: 1
  restarts:
    warning: 0
    critical: 2
  mixed:
    warning: 24h
    critical: 168h
  releases:
    warning: 2
    critical: 20
  hit_rate:
    warning: 0.9
    critical: 0.7
  disk:
    warning: 0.1
    critical: 0.05
  inodes:
    warning: 0.1
    critical: 0.05
serve:
  listen: "127.0.0.1:9155"
  interval: 5s
  history: 16MB
  restart: pending
timeouts:
  call: 30s
  sweep: 100ms
  settle: 30s
  hook: 10m
  check: 10s
  fetch: 10m
`
	if diff := cmp.Diff(want, show(t, parse(t, smallest), "yaml")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestShownConfigurationLoadsAgainAsTheSame(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "smallest": smallest, "full": full(t), "no pools": smallest + "pools: off\n", "windows": strings.ReplaceAll(smallest, "\n", "\r\n"),
		"byte order mark": "\ufeff" + smallest,
		"document marker": "# a comment\n---\n" + smallest,
		"anchors":         smallest + "    docroot: &d public\n    link_target: *d\n",
		"text like other types": strings.ReplaceAll(smallest, "club1:", `null: {link: /l, check: {url: "http://h/", contains: "yes # no: 'x\"\\"}}, 0x1F:`) +
			"    hooks: {build: ['- a', '*b', '007', '~', 'null', '1e3', ' lead', 'tab\t', \"multi\\n line\\n\\n\", '{}', '|', \"é\\u2028\"]}\n",
	} {
		t.Run(name, func(t *testing.T) { roundTrip(t, parse(t, text)) })
	}
}

func roundTrip(t testing.TB, c *config.Config) {
	t.Helper()
	for _, format := range []string{"yaml", "json"} {
		text := show(t, c, format)
		again, err := config.Parse(c.Path, []byte(text))
		if err != nil {
			t.Fatalf("%s does not load again: %v\n%s", format, err, text)
		}
		if diff := cmp.Diff(c, again); diff != "" {
			t.Fatalf("%s loads differently: -before +after\n%s\n%s", format, diff, text)
		}
	}
}
