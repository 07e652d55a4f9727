package front

import (
	"errors"
	"strings"
	"testing"

	"relink/internal/config"
)

func TestWorse(t *testing.T) {
	instances := []config.Instance{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "e"}}
	before := map[string]Page{"a": {Status: 200}, "b": {Status: 302}, "c": {Status: 500}, "d": {Status: 404}, "e": {Status: 401}}
	if err := Worse(instances, before, before); err != nil {
		t.Error(err)
	}
	after := map[string]Page{"a": {Status: 500}, "b": {Err: errors.New("connection refused")}, "c": {Status: 503}, "d": {Status: 200}, "e": {Status: 401}}
	err := Worse(instances, before, after)
	if !errors.Is(err, ErrCheck) {
		t.Fatal(err)
	}
	for _, want := range []string{"a: status 200 before the switch, status 500 after it", "b: status 302 before the switch, connection refused after it"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %q", want, err)
		}
	}
	for _, spared := range []string{"c:", "d:", "e:"} {
		if strings.Contains(err.Error(), spared) {
			t.Errorf("%q is in %q", spared, err)
		}
	}
}

func TestComparable(t *testing.T) {
	at := config.Probe{URL: "http://127.0.0.1/"}
	got := Compared([]config.Instance{
		{Name: "plain", Probe: at}, {Name: "checked", Probe: at, Check: &config.Check{}}, {Name: "off", Probe: at, Check: &config.Check{Off: true}},
		{Name: "unknown"}, {Name: "unprobed", Probe: config.Probe{Off: true}},
	})
	if len(got) != 1 || got[0].Name != "plain" {
		t.Errorf("%+v", got)
	}
}
