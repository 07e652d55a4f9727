package page

import (
	"net/http"
	"testing"
	"time"
)

// A snapshot of 1,000 instances is drawn once for all who look at it.
func BenchmarkDraw(b *testing.B) {
	s := fixture()
	s.Apps = []App{{Name: "shop", Instances: instancesOf("site", 1000, 10)}}
	b.ReportAllocs()
	for b.Loop() {
		d, err := draw(s, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(d.whole)), "page-bytes")
	}
}

func BenchmarkPage(b *testing.B) {
	feed := &Feed{}
	s := fixture()
	s.Apps = []App{{Name: "shop", Instances: instancesOf("site", 1000, 10)}}
	feed.Publish(s)
	h := Handler(feed)
	for b.Loop() {
		if answer := ask(h, "GET", "/"); answer.StatusCode != http.StatusOK {
			b.Fatal(answer.Status)
		}
	}
}

// What one update costs when nothing but the time and the rates changes.
func BenchmarkUpdate(b *testing.B) {
	s := fixture()
	s.Apps = []App{{Name: "shop", Instances: instancesOf("site", 1000, 10)}}
	before, err := draw(s, nil)
	if err != nil {
		b.Fatal(err)
	}
	bytes := 0
	for b.Loop() {
		s.Time = s.Time.Add(time.Second)
		now, err := draw(s, before)
		if err != nil {
			b.Fatal(err)
		}
		bytes = 0
		for _, p := range now.since(before) {
			bytes += len(p.HTML)
		}
		before = now
	}
	b.ReportMetric(float64(bytes), "patch-bytes")
}
