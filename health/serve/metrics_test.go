package serve

import (
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

var metricName = regexp.MustCompile(`(?m)^# TYPE (\S+) `)

func TestMetricsFollowTheConventions(t *testing.T) {
	s := newScene(t)
	s.deploy("r1")
	r := start(t, s.options()).looked()
	r.get("/nothing")
	status, text := r.get("/metrics")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	documented := ""
	for _, name := range []string{"serve", "health", "opcache-report"} {
		page, err := os.ReadFile("../../docs/" + name + ".md")
		if err != nil {
			t.Fatal(err)
		}
		documented += string(page)
	}
	names := metricName.FindAllStringSubmatch(text, -1)
	if len(names) < 50 {
		t.Errorf("only %d metrics", len(names))
	}
	for _, name := range names {
		switch {
		case strings.HasPrefix(name[1], "process_"):
		case !strings.HasPrefix(name[1], "relink_"):
			t.Errorf("%s does not begin with relink_", name[1])
		case !strings.Contains(documented, "`"+name[1]+"`"):
			t.Errorf("%s is not documented", name[1])
		}
	}
	if !strings.Contains(text, `relink_build_info{goversion="go`) {
		t.Error("no build info")
	}
}
