package apache_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"relink/deploy/apache"
	"relink/deploy/webmap"
)

const (
	benchSites    = 1000
	benchClients  = 8
	benchRounds   = 5
	benchRequests = 4000 // of one round
)

// BenchmarkMaps has one host name for each of 1,000 sites in a virtual host, and
// serves them by link, by a text map and by the same map in DBM form, in turns.
// It gives requests per second (median of the rounds) and their ratio to links.
func BenchmarkMaps(b *testing.B) {
	for _, sapi := range sapis {
		b.Run(sapi, func(b *testing.B) {
			s := startBench(b, sapi)
			for _, page := range []string{"style.css", "page.php"} {
				b.Run(page, func(b *testing.B) {
					for b.Loop() {
						s.race(b, page)
					}
					b.ReportMetric(0, "ns/op")
				})
			}
		})
	}
}

// BenchmarkFirstLook is what the first request to each of 1,000 sites costs Apache
// after the map has changed, when it has to read it for each, and the second.
func BenchmarkFirstLook(b *testing.B) {
	s := startBench(b, fpm)
	var spent [2]time.Duration
	for range b.N {
		for n := range 2 * benchRounds {
			s.release(b, manySites([]string{"v1", "v2"}[n%2]))
			for look := range spent {
				before := s.cpu(b)
				s.round(b, "txt", "style.css", benchSites)
				spent[look] += s.cpu(b) - before
			}
		}
	}
	for look, name := range []string{"first", "second"} {
		b.ReportMetric(spent[look].Seconds()*1e6/float64(b.N*2*benchRounds*benchSites), name+"-cpu-µs/request")
	}
	b.ReportMetric(0, "ns/op")
}

func startBench(b *testing.B, sapi string) *server {
	s := newServer(b, sapi)
	for _, release := range []string{"v1", "v2"} {
		s.file(b, "releases/"+release+"/public/page.php", "<?php echo 'page';")
		s.file(b, "releases/"+release+"/public/style.css", "css")
	}
	s.link(b, "www/club1", "v1")
	s.release(b, manySites("v1"))
	out, err := exec.Command("/usr/sbin/httxt2dbm", "-f", "sdbm", "-i", s.mapFile, "-o", s.mapFile+".dbm").CombinedOutput()
	if err != nil {
		b.Fatalf("install Debian's apache2-utils: %v\n%s", err, out)
	}
	text := s.include(b, sapi, "", s.booking(apache.FormMass))
	s.start(b, sapi, "MaxRequestWorkers 64\n"+
		vhost("link", "ServerAlias *.link", "DocumentRoot "+s.root+"/www/club1/public")+
		vhost("txt", "ServerAlias *.txt", "DocumentRoot "+s.root+"/empty", text)+
		vhost("dbm", "ServerAlias *.dbm", "DocumentRoot "+s.root+"/empty", s.asDBM(b, text)))
	return s
}

// asDBM is the include with the map's other form.
func (s *server) asDBM(b *testing.B, include string) string {
	text, err := os.ReadFile(strings.TrimPrefix(include, "Include "))
	check(b, err)
	changed := strings.Replace(string(text), `"txt:`+s.mapFile, `"dbm=sdbm:`+s.mapFile+".dbm", 1)
	if changed == string(text) {
		b.Fatal("the include has no text map")
	}
	return "Include " + s.file(b, "conf/dbm.conf", changed)
}

func manySites(release string) webmap.Map {
	lines := webmap.Map{}
	for n := range benchSites {
		for _, kind := range []string{"txt", "dbm"} {
			lines[fmt.Sprintf("club%d.%s", n, kind)] = release
		}
	}
	return lines
}

func (s *server) race(b *testing.B, page string) {
	rates, costs := map[string][]float64{}, map[string][]float64{}
	for range benchRounds {
		for _, kind := range []string{"link", "txt", "dbm"} {
			before := s.cpu(b)
			took := s.round(b, kind, page, benchRequests)
			costs[kind] = append(costs[kind], (s.cpu(b)-before).Seconds()*1e6/benchRequests)
			rates[kind] = append(rates[kind], benchRequests/took.Seconds())
		}
	}
	for kind, all := range rates {
		b.ReportMetric(median(all), kind+"-requests/s")
		b.ReportMetric(median(costs[kind]), kind+"-cpu-µs/request")
		if kind != "link" {
			b.ReportMetric(median(all)/median(rates["link"]), kind+"/link")
		}
	}
}

// cpu is what Apache has used, without PHP-FPM. On a machine that does other
// things besides, it tells more than requests per second.
func (s *server) cpu(b *testing.B) time.Duration {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	check(b, err)
	var ticks int64
	for _, name := range stats {
		text, _ := os.ReadFile(name) // a process may have ended since
		fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
		if len(fields) < 15 || fields[2] != strconv.Itoa(s.pid) {
			continue
		}
		for _, field := range fields[11:15] { // utime, stime, and those of ended children (proc(5))
			n, err := strconv.ParseInt(field, 10, 64)
			check(b, err)
			ticks += n
		}
	}
	return time.Duration(ticks) * time.Second / 100
}

// round asks the sites in turn, by clients that each wait for their answer.
func (s *server) round(b *testing.B, kind, page string, requests int) time.Duration {
	transport := &http.Transport{MaxIdleConnsPerHost: benchClients}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: bound}
	var next atomic.Int64
	var failed atomic.Value
	var all sync.WaitGroup
	began := time.Now()
	for range benchClients {
		all.Go(func() {
			for n := next.Add(1); n <= int64(requests); n = next.Add(1) {
				if err := s.ask(&client, fmt.Sprintf("club%d.%s", n%benchSites, kind), page); err != nil {
					failed.Store(err)
				}
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

func (s *server) ask(client *http.Client, host, page string) error {
	request, err := http.NewRequest(http.MethodGet, "http://"+s.address+"/"+page, nil)
	if err != nil {
		return err
	}
	request.Host = host
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s/%s: %s", host, page, response.Status)
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}
