package report

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"relink/php"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

const mb = 1 << 20

// fixedSample is two masters, one of them down, with two applications of which
// one is being deployed, and files of names that are no pleasure.
func fixedSample() Sample {
	return Sample{Time: noon, Masters: []Master{
		{
			Name: "unix:/run/php/booking.sock", Pools: []string{"unix:/run/php/booking.sock", "unix:/run/php/mobile.sock"},
			Down:   map[string]string{"unix:/run/php/mobile.sock": "connect: connection refused"},
			Status: fixedStatus(), Configuration: fixedConfiguration(), Scripts: fixedScripts(),
			ProcessControlTimeout: new(time.Duration),
		},
		{Name: "tcp:127.0.0.1:9000", Pools: []string{"tcp:127.0.0.1:9000"}, Err: errors.New("status in pool tcp:127.0.0.1:9000: nobody is listening")},
	}}
}

func fixedStatus() php.Status {
	return php.Status{
		Worker:  php.Worker{PID: 4711, PHPVersion: "8.2.36", SAPI: "fpm-fcgi", RealpathCache: 4 * mb},
		Enabled: true,
		Memory:  php.Memory{Used: 34 * mb, Free: 10 * mb, Wasted: 20 * mb},
		Strings: php.Strings{Size: 8 * mb, Used: 6 * mb, Free: 2 * mb, Count: 41234},
		Statistics: php.Statistics{
			CachedScripts: 68, CachedKeys: 98, MaxCachedKeys: 16229, Hits: 1234567, Misses: 4321, OOMRestarts: 1, ManualRestarts: 2,
			StartTime: noon.Add(-80 * time.Hour), LastRestart: noon.Add(-26 * time.Hour),
		},
		JIT: php.JIT{On: true, BufferSize: 64 * mb, BufferFree: 60 * mb},
	}
}

func fixedConfiguration() php.Configuration {
	return php.Configuration{
		ValidateTimestamps: true, FileUpdateProtection: 2 * time.Second, MemoryConsumption: 64 * mb,
		InternedStringsBuffer: 8 * mb, MaxAcceleratedFiles: 10000, RealpathCacheSize: 4 * mb,
		JITMaxRootTraces: 1024,
	}
}

var oddNames = []string{
	`public/</script><script>alert(1)</script>.php`, "public/a\x1b[31mred.php", "public/not\xffutf8.php",
	`public/"quoted",and;comma.php`, "public/\u202etxt.php", "public/line\nbreak.php", "public/{{.}}&amp;.php",
}

func fixedScripts() []php.Script {
	var all []php.Script
	add := func(path string, live bool, hits, memory int64, used time.Duration) {
		s := php.Script{Path: path, Live: live, Hits: hits, Memory: memory}
		if hits > 0 {
			s.LastUsed = noon.Add(-used)
		}
		all = append(all, s)
	}
	for i := range 20 {
		hits := int64(i * i * i * 13)
		add(fmt.Sprintf("/srv/releases/booking/20260314-120000-v2/src/Controller/Page%02d.php", i), true, hits, int64(60000+i*20000), 5*time.Second)
		add(fmt.Sprintf("/srv/releases/booking/20260313-090000-v1/src/Controller/Page%02d.php", i), false, hits*7, int64(60000+i*20000), 2*time.Hour)
	}
	for i := range 10 {
		add(fmt.Sprintf("/srv/releases/booking/20260314-120000-v2/vendor/symfony/console/Part%d.php", i), true, 0, 150000, 0)
	}
	for i, name := range oddNames {
		add("/srv/releases/booking/20260314-120000-v2/"+name, true, int64(10+i), 40000, time.Minute)
	}
	for i := range 8 {
		add(fmt.Sprintf("/srv/releases/mobile/20260301-080000-r7/app/part%d.php", i), true, 5000, 250000, time.Second)
	}
	add("/usr/share/php/Mail.php", true, 12, 90000, time.Hour)
	add("/var/www/old/index.php", true, 1, 70000, 40*time.Hour)
	add("/var/www/old/lib/a.php", true, 1, 30000, 40*time.Hour)
	return all
}

func fixedApps() []Application {
	third := 0.25
	booking := Application{Name: "booking", Releases: "/srv/releases/booking", Changed: &third}
	for i := range 30 {
		name := fmt.Sprintf("club%02d", i)
		booking.Instances = append(booking.Instances, Instance{Name: name, Link: "/var/www/" + name, Target: "/srv/releases/booking/20260314-120000-v2"})
	}
	booking.Instances = append(booking.Instances, Instance{Name: "gone", Link: "/var/www/gone"})
	for i := range 4 {
		booking.Deploys = append(booking.Deploys, noon.Add(-time.Duration(i)*20*time.Hour))
	}
	mobile := Application{Name: "mobile", Releases: "/srv/releases/mobile", Instances: []Instance{
		{Name: "m1", Link: "/var/www/m1", Target: "/srv/releases/mobile/20260301-080000-r7/public"},
		{Name: "m2", Link: "/var/www/m2", Target: "/srv/releases/mobile/20260301-080000-r7/public"},
		{Name: "own", Link: "/var/www/own", Target: "/home/own/copy"},
	}}
	return []Application{booking, mobile}
}

// fixedBefore is ten seconds earlier: a third of the hits had been there.
func fixedBefore() *Totals {
	s := fixedSample()
	s.Time = noon.Add(-10 * time.Second)
	m := &s.Masters[0]
	m.Status.Statistics.Hits -= 900
	m.Status.Statistics.Misses -= 100
	for i := range m.Scripts {
		m.Scripts[i].Hits /= 3
	}
	t := s.Totals(fixedApps())
	return &t
}

func fixedReport(t testing.TB) *Report {
	t.Helper()
	return Build(fixedSample(), fixedBefore(), fixedApps(), Options{Top: 5})
}

// manyScripts is a cache of n scripts in some hundred folders, 20 instances.
func manyScripts(n int) (Sample, []Application) {
	s, apps := fixedSample(), fixedApps()
	m := &s.Masters[0]
	m.Scripts = make([]php.Script, n)
	for i := range m.Scripts {
		size := int64(2000 + i*7919%90000)
		m.Scripts[i] = php.Script{
			Path: fmt.Sprintf("/srv/releases/booking/20260314-120000-v2/vendor/company%d/library%d/src/Folder%d/Class%d.php", i%40, i%400, i%13, i),
			Live: i%11 != 0, Hits: int64(i % 5 * (i % 977)), Memory: size, LastUsed: noon,
		}
		m.Status.Memory.Used += size
	}
	m.Status.Statistics.CachedScripts, m.Status.Statistics.CachedKeys = int64(n), int64(n+600)
	return s, apps
}
