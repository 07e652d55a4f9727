package render_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"relink/health"
	"relink/health/render"
)

// perfForm is one datum of the plugin guidelines: 'label'=value[UOM];warn;crit;min;max.
var perfForm = regexp.MustCompile(`^'((?:[^'=|\n]|'')+)'=(-?[0-9.]+)(s|%|B|c)?(?:;([0-9.]*:?)(?:;([0-9.]*:?)(?:;([0-9.]*)(?:;([0-9.]*))?)?)?)?(?: |$)`)

func checkPlugin(t *testing.T, text string) (labels map[string]bool) {
	t.Helper()
	first, long, _ := strings.Cut(text, "\n")
	if strings.Count(first, "|") > 1 || strings.Contains(long, "|") || len(text) > 8<<10 {
		t.Errorf("%d bytes: %q", len(text), text)
	}
	_, data, _ := strings.Cut(first, " | ")
	labels = map[string]bool{}
	for data != "" {
		found := perfForm.FindStringSubmatch(data)
		if found == nil {
			t.Fatalf("no performance data: %q", data)
		}
		if labels[found[1]] {
			t.Errorf("%q stands twice", found[1])
		}
		labels[found[1]] = true
		data = data[len(found[0]):]
	}
	return labels
}

func TestPluginFormat(t *testing.T) {
	for _, name := range []string{"sound", "troubled"} {
		if labels := checkPlugin(t, readFile(t, "testdata/"+name+".nagios")); len(labels) < 15 {
			t.Error(labels)
		}
	}
}

func TestPluginOutputIsBounded(t *testing.T) {
	f := facts()
	for i := range 300 {
		p := f.Pools[0]
		p.Address = fmt.Sprintf("unix:/run/php/pool-%d.sock", i)
		if i%2 == 0 {
			p.Err = fmt.Errorf("call %s: nothing listens | or so", p.Address)
		}
		f.Pools = append(f.Pools, p)
	}
	out := render.Nagios(health.Evaluate(f, limits(t)))
	checkPlugin(t, out)
	if !strings.Contains(out, "further figures is left out") || !strings.Contains(out, "more problems") {
		t.Error(out)
	}
}

func FuzzPlugin(f *testing.F) {
	f.Add("pool", "unix:/run/x.sock", "nothing | listens\nat 'all' = 5", 0.5)
	f.Add("a'b", "/srv/it's = mine|", "", -1e300)
	f.Fuzz(func(t *testing.T, check, subject, message string, value float64) {
		r := health.Result{Check: check, Subject: subject, State: health.Critical, Message: message, Fix: message, Figures: []health.Figure{{Name: "x", Value: value, Unit: health.Ratio, Warning: pointer(1.0), Critical: pointer(2.0)}}}
		out := render.Nagios([]health.Result{r})
		first, _, _ := strings.Cut(out, "\n")
		if strings.Count(out, "|") != 1 || !strings.Contains(first, " | '") {
			t.Errorf("%q", out)
		}
	})
}
