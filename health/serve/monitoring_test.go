package serve

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// rules is what is read of alerts.yml.
type rules struct {
	Groups []struct {
		Rules []struct {
			Alert, Expr string
			Annotations struct{ Summary, Description string }
		}
	}
}

// dashboard is what is read of dashboard.json.
type dashboard struct {
	Annotations struct {
		List []struct {
			Datasource              source
			Target                  target
			TitleFormat, TextFormat string
		}
	}
	Templating struct {
		List []struct {
			Name, Type string
			Query      any
		}
	}
	Panels []struct {
		ID          int
		Type, Title string
		Datasource  source
		GridPos     struct{ X, Y, W, H int }
		Targets     []target
	}
}

type target struct {
	Datasource                source
	Expr, LegendFormat, RefID string
}

type source struct{ Type, UID string }

func readRules(t *testing.T) (r rules) {
	t.Helper()
	if err := yaml.Unmarshal([]byte(read(t, "../../docs/monitoring/alerts.yml")), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func readDashboard(t *testing.T) (d dashboard) {
	t.Helper()
	if err := json.Unmarshal([]byte(read(t, "../../docs/monitoring/dashboard.json")), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// exposed is what a scrape gave: the values of each label of each metric.
type exposed map[string]map[string][]string

// scrape asks twice: the first answer is not counted in itself.
func scrape(t *testing.T, r *running) exposed {
	t.Helper()
	r.get("/metrics")
	status, text := r.get("/metrics")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	all := exposed{"up": {}} // Prometheus' own
	for name, family := range families {
		names := []string{name}
		if family.GetType() == dto.MetricType_HISTOGRAM {
			names = []string{name + "_sum", name + "_count"}
		}
		for _, name := range names {
			all[name] = map[string][]string{}
			for _, one := range family.Metric {
				for _, l := range one.Label {
					all[name][l.GetName()] = append(all[name][l.GetName()], l.GetValue())
				}
			}
		}
	}
	return all
}

var (
	selector = regexp.MustCompile(`\b(up\b|relink_[a-z0-9_]*|process_[a-z0-9_]*)(?:\{([^}]*)\})?`)
	matcher  = regexp.MustCompile(`(\w+)\s*(=~|!=|!~|=)\s*"([^"]*)"`)
	grouping = regexp.MustCompile(`\b(by|on|without|ignoring)\s*\(([^)]*)\)`)
	inLegend = regexp.MustCompile(`\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}`)
)

// problems tells what an expression, and a text about what it gives, name that
// the service does not expose.
func (e exposed) problems(expr, text string) (all []string) {
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	found := selector.FindAllStringSubmatch(expr, -1)
	if len(found) == 0 {
		say("no metric in %q", expr)
	}
	wanted := inLegend.FindAllStringSubmatch(text, -1)
	for _, group := range grouping.FindAllStringSubmatch(expr, -1) {
		for label := range strings.SplitSeq(group[2], ",") {
			wanted = append(wanted, []string{"", strings.TrimSpace(label)})
		}
	}
	for _, metric := range found {
		labels, is := e[metric[1]]
		if !is {
			say("no metric %s", metric[1])
			continue
		}
		for _, w := range wanted {
			if !ofTarget(w[1]) && labels[w[1]] == nil {
				say("%s has no label %s", metric[1], w[1])
			}
		}
		for _, m := range matcher.FindAllStringSubmatch(metric[2], -1) {
			switch {
			case ofTarget(m[1]):
			case labels[m[1]] == nil:
				say("%s has no label %s", metric[1], m[1])
			case m[2] == "=" || m[2] == "=~":
				for value := range strings.SplitSeq(m[3], "|") {
					if !slices.Contains(labels[m[1]], value) {
						say("%s has no %s %q", metric[1], m[1], value)
					}
				}
			}
		}
	}
	return all
}

// ofTarget tells whether Prometheus adds the label to all that it scrapes.
func ofTarget(label string) bool { return label == "instance" || label == "job" }

// Alerts and dashboard ask only for metrics, labels and their values that the
// service really exposes.
func TestMonitoringAsksForWhatIsExposed(t *testing.T) {
	s := newScene(t)
	s.deploy("r1")
	_, err := s.request(s.path("www", "club1", "index.php"), "") // without scripts in it, OPcache forecasts nothing
	s.must(err)
	o := s.options()
	o.Health.Fleet = someFleet
	e := scrape(t, start(t, o).looked())
	check := func(where, expr, text string) {
		t.Helper()
		for _, problem := range e.problems(expr, text) {
			t.Errorf("%s: %s", where, problem)
		}
	}
	for _, rule := range readRules(t).Groups[0].Rules {
		check(rule.Alert, rule.Expr, rule.Annotations.Summary+rule.Annotations.Description)
	}
	d := readDashboard(t)
	for _, p := range d.Panels {
		for _, one := range p.Targets {
			check(p.Title, one.Expr, one.LegendFormat)
		}
	}
	for _, a := range d.Annotations.List {
		check("annotation", a.Target.Expr, a.TitleFormat+a.TextFormat)
	}
	for _, v := range d.Templating.List {
		if query, is := v.Query.(map[string]any); is {
			check(v.Name, query["query"].(string), "")
		}
	}
}

// The check above would notice a slip.
func TestASlipInMonitoringIsNoticed(t *testing.T) {
	e := exposed{"up": {}, "relink_pool_workers": {"pool": {"a"}, "state": {"idle", "active"}}}
	for _, c := range []struct{ expr, text, want string }{
		{`relink_pool_workers{state="idle",instance=~"$instance"} > 0 and on (instance, pool) up{job="relink"}`, "", "up has no label pool"},
		{`sum without (state) (relink_pool_workers{state=~"idle|active"})`, "{{instance}} {{pool}}", ""},
		{`relink_pool_worker`, "", "no metric relink_pool_worker"},
		{`relink_pool_workers{sate="idle"}`, "", "relink_pool_workers has no label sate"},
		{`relink_pool_workers{state=~"idle|busy"}`, "", `relink_pool_workers has no state "busy"`},
		{`sum by (master) (relink_pool_workers)`, "", "relink_pool_workers has no label master"},
		{`relink_pool_workers`, "{{ $labels.app }} waits", "relink_pool_workers has no label app"},
		{`vector(0)`, "", `no metric in "vector(0)"`},
	} {
		if got := strings.Join(e.problems(c.expr, c.text), "; "); got != c.want {
			t.Errorf("%s: %q instead of %q", c.expr, got, c.want)
		}
	}
}

// promtool test rules needs Prometheus; that no alert is without a test is seen
// without it.
func TestEveryAlertHasASummaryAndATest(t *testing.T) {
	tests := read(t, "../../docs/monitoring/alerts_test.yml")
	for _, rule := range readRules(t).Groups[0].Rules {
		if rule.Alert == "" || rule.Expr == "" || rule.Annotations.Summary == "" {
			t.Errorf("%+v", rule)
		}
		if !strings.Contains(tests, "- alertname: "+rule.Alert+"\n") {
			t.Errorf("%s is not tested", rule.Alert)
		}
	}
}

// The dashboard takes its source from its variable everywhere, and no panel
// lies on another or beside the 24 columns.
func TestTheDashboardIsWhole(t *testing.T) {
	d := readDashboard(t)
	chosen := source{"prometheus", "${datasource}"}
	for _, a := range d.Annotations.List {
		if a.Datasource != chosen || a.Target.Datasource != chosen {
			t.Errorf("%+v", a)
		}
	}
	known, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if p.Title == "" || known[p.ID] {
			t.Errorf("%+v", p)
		}
		known[p.ID] = true
		if p.Type != "row" && (p.Datasource != chosen || len(p.Targets) == 0) {
			t.Errorf("%s asks nobody", p.Title)
		}
		for _, one := range p.Targets {
			if one.Datasource != chosen || one.RefID == "" {
				t.Errorf("%s: %+v", p.Title, one)
			}
		}
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.X+g.W > 24 {
			t.Errorf("%s: %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" {
					t.Fatalf("%s lies on %s", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
