package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"relink/internal/ui"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Whatever files, releases and instances are named, each format stays what it
// is, and a terminal is not driven by a name.
func FuzzNames(f *testing.F) {
	for _, name := range append(oddNames, "", "/", "\x00", "\xff\xfe", "a\r\nb", "=1+1", "\u2028", "$PRELOAD$", "..//..", "\U0001F600") {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		s, apps := fixedSample(), fixedApps()
		m := &s.Masters[0]
		m.Scripts = append(m.Scripts, script("/srv/releases/booking/"+name+"/x.php", 90000, 3), script(name, 10, 0), script("/var/www/"+name, 400, 1))
		m.Name = name
		apps[0].Name = name
		apps[0].Instances[0].Name = name
		r := Build(s, nil, apps, Options{Top: 3})
		checkJSON(t, r)
		checkCSV(t, r)
		checkPrometheus(t, r)
		checkText(t, r)
		checkHTML(t, r)
	})
}

func checkJSON(t *testing.T, r *Report) {
	var out bytes.Buffer
	must(t, ui.JSON(&out, r))
	var back Report
	must(t, json.Unmarshal(out.Bytes(), &back))
	if back.SavedBytes != r.SavedBytes || !utf8.Valid(out.Bytes()) {
		t.Error("the JSON is another report")
	}
}

func checkCSV(t *testing.T, r *Report) {
	var out bytes.Buffer
	must(t, r.CSV(&out))
	rows, err := csv.NewReader(&out).ReadAll()
	must(t, err)
	if len(rows) != len(r.entries)+1 {
		t.Errorf("%d rows for %d scripts", len(rows), len(r.entries))
	}
}

func checkPrometheus(t *testing.T, r *Report) {
	var out bytes.Buffer
	must(t, r.Prometheus(&out))
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(&out)
	must(t, err)
	for name := range families {
		if !strings.HasPrefix(name, "relink_opcache_") {
			t.Errorf("metric %s", name)
		}
	}
}

func checkText(t *testing.T, r *Report) {
	var out bytes.Buffer
	must(t, r.Text(&out, TextOptions{Terminal: true}))
	if text := strings.ReplaceAll(out.String(), "\n", ""); ui.Printable(text) != text {
		t.Errorf("a control character in %q", out.String())
	}
}

func checkHTML(t *testing.T, r *Report) {
	var out bytes.Buffer
	must(t, r.HTML(&out))
	page := out.String()
	if strings.Count(page, "<script") != 2 || strings.Count(page, "</script") != 2 {
		t.Error("a name became a script element")
	}
}
