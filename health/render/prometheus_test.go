package render_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// lint is what "promtool check metrics" does.
func lint(t *testing.T, text string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}

func TestMetricsFollowTheConventions(t *testing.T) {
	for _, name := range []string{"sound", "troubled"} {
		lint(t, readFile(t, "testdata/"+name+".prometheus"))
	}
}

func TestEveryMetricIsOurs(t *testing.T) {
	for line := range strings.Lines(readFile(t, "testdata/troubled.prometheus")) {
		if !strings.HasPrefix(line, "#") && !strings.HasPrefix(line, "relink_") {
			t.Error(line)
		}
	}
}
