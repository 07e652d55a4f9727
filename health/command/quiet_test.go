package command

import (
	"testing"

	"relink/health"
	"relink/health/gather"
)

func TestHealthyIsQuiet(t *testing.T) {
	s := newScene(t)
	for range 6 {
		s.get("www", s.path("www", "club1", "index.php"))
		s.get("www", s.path("www", "club2", "index.php"))
	}
	results := s.evaluate()
	s.quiet(results)
	for _, c := range health.All() {
		if c.Name != "fleet" && len(made(results, c.Name)) == 0 { // which this host is not in
			t.Errorf("%s was not made", c.Name)
		}
	}
	s.quiet(s.evaluate()) // now with an earlier sample
}

func TestHealthyByACheapLook(t *testing.T) {
	s := newScene(t)
	s.deps.Cheap = true
	f := gather.Facts(s.ctx, s.deps)
	s.quiet(health.Evaluate(f, s.limits))
	if m := f.Masters[0]; m.Memory.TotalBytes == 0 || m.Scripts.Live != 0 {
		t.Errorf("%+v", m.Memory)
	}
}
