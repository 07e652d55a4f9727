package config_test

import (
	"errors"
	"fmt"
	"testing"

	"relink/internal/config"
	"relink/internal/hint"

	"github.com/google/go-cmp/cmp"
)

func app(name string, instances ...string) config.App {
	a := config.App{Name: name}
	for _, i := range instances {
		a.Instances = append(a.Instances, config.Instance{Name: i, Link: "/var/www/" + i})
	}
	return a
}

func TestApplicationByName(t *testing.T) {
	none := config.Config{Path: "r.yaml"}
	one := config.Config{Path: "r.yaml", Apps: []config.App{app("booking")}}
	two := config.Config{Path: "r.yaml", Apps: []config.App{app("booking"), app("mobile")}}
	for _, c := range []struct {
		config    config.Config
		ask, name string
		err, hint string
	}{
		{config: one, name: "booking"},
		{config: one, ask: "booking", name: "booking"},
		{config: two, ask: "mobile", name: "mobile"},
		{config: none, err: "r.yaml: no application is configured", hint: `add one under "apps"; docs/configuration.md shows how`},
		{config: two, err: "r.yaml: which application? it has booking, mobile", hint: "name one with --app"},
		{config: two, ask: "mobil", err: `r.yaml: no application "mobil"; did you mean "mobile"?`, hint: "name one of these with --app: booking, mobile"},
		{config: one, ask: "x", err: `r.yaml: no application "x"`, hint: "name one of these with --app: booking"},
	} {
		got, err := c.config.App(c.ask)
		if err == nil && got.Name != c.name || err != nil {
			refusal(t, err, c.err, c.hint)
		}
	}
}

func TestInstancesByName(t *testing.T) {
	a := app("booking", "b", "a", "club1")
	for _, c := range []struct {
		all       bool
		names     []string
		want      []string
		err, hint string
	}{
		{all: true, want: []string{"b", "a", "club1"}},
		{names: []string{"club1", "b"}, want: []string{"b", "club1"}},
		{err: "application booking: which instances?", hint: "give --all, or --instance with one or more of: b, a, club1"},
		{all: true, names: []string{"a"}, err: "application booking: --all and --instance exclude each other", hint: "give one of them"},
		{names: []string{"a", "a"}, err: `instance "a" is listed twice`},
		{
			names: []string{"clbu1", "b", "b"},
			err:   "application booking has no instance \"clbu1\"; did you mean \"club1\"?\ninstance \"b\" is listed twice",
			hint:  "it has: b, a, club1",
		},
	} {
		got, err := a.Select(c.all, c.names)
		if err != nil || c.err != "" {
			refusal(t, err, c.err, c.hint)
			continue
		}
		var names []string
		for _, i := range got {
			names = append(names, i.Name)
		}
		if diff := cmp.Diff(c.want, names); diff != "" {
			t.Error(diff)
		}
	}
}

func refusal(t *testing.T, err error, message, advice string) {
	t.Helper()
	if !errors.Is(err, config.ErrInvalid) || err.Error() != message {
		t.Errorf("got  %v\nwant %s", err, message)
	}
	if hints := hint.Of(err); advice != "" && (len(hints) != 1 || hints[0] != advice) {
		t.Errorf("hints %q, want %q", hints, advice)
	}
}

func TestSelectedInstancesBelongToTheCaller(t *testing.T) {
	a := app("booking", "club1", "club2")
	chosen, err := a.Select(true, nil)
	if err != nil {
		t.Fatal(err)
	}
	chosen[0].Name = "changed"
	if a.Instances[0].Name != "club1" {
		t.Error("Select gave out the application's own list")
	}
}

func TestNobodyInstalledYet(t *testing.T) {
	a := app("booking")
	_, err := a.Select(true, nil)
	refusal(t, err, "application booking has no instances",
		"list the links under apps.booking.instances, or see what instances_from should match")
}

func TestLongListsAreCut(t *testing.T) {
	var names []string
	for i := range 1000 {
		names = append(names, fmt.Sprint("s", i))
	}
	a := app("booking", names...)
	_, err := a.Select(false, nil)
	refusal(t, err, "application booking: which instances?",
		"give --all, or --instance with one or more of: s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 and 990 more")
}
