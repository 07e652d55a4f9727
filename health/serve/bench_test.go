package serve

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"relink/health"
	"relink/internal/links"
	"relink/opcache/report"
	"relink/php"
)

const (
	manyScripts   = 50000
	manyInstances = 1000
)

// manyFacts are a server with 1,000 instances on five releases, 50,000 scripts
// cached.
func manyFacts() health.Facts {
	app := report.Application{Name: "booking", Releases: "/srv/releases/booking"}
	facts := health.Facts{Time: noon, Took: time.Second, Apps: []health.App{{Name: "booking", Releases: app.Releases}}}
	for i := range manyInstances {
		name, id := fmt.Sprintf("club%04d", i), fmt.Sprintf("2026013%d-120000-v%d", i%5, i%5)
		app.Instances = append(app.Instances, report.Instance{Name: name, Link: "/var/www/" + name, Target: app.Releases + "/" + id})
		facts.Apps[0].Instances = append(facts.Apps[0].Instances, health.Instance{
			Name: name, Link: "/var/www/" + name, Kind: links.Good, Real: app.Releases + "/" + id, Release: id, Inside: true,
		})
	}
	master := report.Master{Name: "unix:/run/php.sock", Pools: []string{"unix:/run/php.sock"}}
	for i := range manyScripts {
		master.Scripts = append(master.Scripts, php.Script{Path: fmt.Sprintf("%s/2026013%d-120000-v%d/src/Part%05d.php", app.Releases, i%5, i%5, i), Live: true, Hits: 10, Memory: 4000})
	}
	facts.Report = report.Build(report.Sample{Time: noon, Masters: []report.Master{master}}, nil, []report.Application{app}, report.Options{}).WithoutScripts()
	facts.Masters = []health.Master{{MasterReport: facts.Report.Masters[0]}}
	facts.Pools = []health.Pool{{Address: "unix:/run/php.sock"}}
	return facts
}

// BenchmarkScrape makes every answer anew, as after each look.
func BenchmarkScrape(b *testing.B) {
	for _, path := range []string{"/metrics", "/api/v1/state"} {
		b.Run(path, func(b *testing.B) {
			o := idle(b)
			s := newService(o, &access{}, memoryStore(b))
			facts := manyFacts()
			results := health.Evaluate(facts, health.Thresholds{})
			handler, size := s.handler(), 0
			for b.Loop() {
				s.sampler.reading.Store(newReading(s.sampler, facts, results, nil))
				answer := httptest.NewRecorder()
				request := httptest.NewRequest("GET", "http://127.0.0.1"+path, nil)
				handler.ServeHTTP(answer, request)
				if size = answer.Body.Len(); answer.Code != 200 {
					b.Fatal(answer.Code, answer.Body)
				}
			}
			b.ReportMetric(float64(size), "bytes")
		})
	}
}

// BenchmarkService is the service as a process, at its usual interval, on 1,000
// instances and 50,000 cached scripts, for a minute after its first look.
func BenchmarkService(b *testing.B) {
	s := newSceneOf(b, map[string]string{
		"opcache.memory_consumption": "512", "opcache.max_accelerated_files": "100000", "opcache.file_update_protection": "0",
	}, manyInstances)
	s.fill(b)
	for b.Loop() {
		c := startChild(b, s.file, s.path("serve.sock"))
		began, cpu := time.Now(), c.metric("process_cpu_seconds_total")
		<-time.After(time.Minute)
		b.ReportMetric((c.metric("process_cpu_seconds_total")-cpu)/time.Since(began).Seconds()*100, "%core")
		b.ReportMetric(c.metric(`relink_looks_total{kind="cheap"}`)+c.metric(`relink_looks_total{kind="full"}`), "looks")
		b.ReportMetric(c.metric("process_resident_memory_bytes")/1e6, "MB-RSS")
		b.ReportMetric(c.peak(b), "MB-peak")
		b.ReportMetric(c.metric(`relink_look_duration_seconds{kind="cheap"}`)*1000, "ms-cheap-look")
		b.ReportMetric(c.metric(`relink_look_duration_seconds{kind="full"}`)*1000, "ms-full-look")
		c.stopped()
	}
}

func (r *running) metric(name string) float64 {
	r.t.Helper()
	_, text := r.get("/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			number, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				r.t.Fatal(err)
			}
			return number
		}
	}
	return 0
}

// peak is the most memory that the process has had, in MB.
func (c *child) peak(b *testing.B) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, line, _ := strings.Cut(string(text), "VmHWM:")
	kilobytes, err := strconv.ParseFloat(strings.Fields(line)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kilobytes * 1024 / 1e6
}

// fill has OPcache hold 50,000 scripts of the release.
func (s *scene) fill(b *testing.B) {
	dir := s.path("source", "r1", "src")
	s.must(os.MkdirAll(dir, 0o755))
	for i := range manyScripts {
		s.must(os.WriteFile(fmt.Sprintf("%s/part%05d.php", dir, i), []byte("<?php return 1;"), 0o644))
	}
	s.deploy("r1")
	real, err := os.Readlink(s.path("www", "club1"))
	s.must(err)
	var files []string
	for i := range manyScripts {
		files = append(files, fmt.Sprintf("%s/src/part%05d.php", real, i))
	}
	_, pools := s.caches()
	agent, err := php.NewAgent(pools[0])
	s.must(err)
	for len(files) > 0 {
		compiled, err := agent.Compile(s.ctx, files[:min(len(files), 2000)], 10*time.Second)
		s.must(err)
		files = files[len(compiled):]
	}
}
