package fleet

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"relink/internal/exit"
)

func TestChoose(t *testing.T) {
	shop := map[string]AppOn{"shop": {Instances: 1, FreeBytes: 1}}
	hosts := map[string]Host{
		"a": {Apps: shop, Labels: map[string]string{"role": "web", "zone": "1"}},
		"b": {Apps: shop, Labels: map[string]string{"role": "web"}},
		"c": {Apps: shop},
		"d": {Labels: map[string]string{"role": "web"}}, // without the application
		"e": {Apps: map[string]AppOn{"shop": {FreeBytes: 1}}, Labels: map[string]string{"role": "new"}},
		"f": {Apps: map[string]AppOn{"shop": {}}, Labels: map[string]string{"zone": "2"}}, // has not looked yet
	}
	for _, c := range []struct {
		choice Choice
		want   []string
		idle   []string
		all    bool
	}{
		{Choice{}, []string{"a", "b", "c", "f"}, []string{"e"}, true},
		{Choice{Hosts: []string{"b", "a"}}, []string{"a", "b"}, nil, false},
		{Choice{Labels: []string{"role=web"}}, []string{"a", "b"}, nil, false},
		{Choice{Labels: []string{"role=web", "zone=1"}}, []string{"a"}, nil, false},
		{Choice{Labels: []string{"zone=2"}}, []string{"f"}, nil, false},
		{Choice{Hosts: []string{"b", "c"}, Labels: []string{"role=web"}}, []string{"b"}, nil, false},
	} {
		c.choice.App = "shop"
		got, idle, all, err := Choose(c.choice, hosts)
		if err != nil || !slices.Equal(got, c.want) || !slices.Equal(idle, c.idle) || all != c.all {
			t.Errorf("%+v: %q, idle: %q, all: %v, %v", c.choice, got, idle, all, err)
		}
	}
	for _, c := range []struct {
		choice Choice
		want   string
	}{
		{Choice{Hosts: []string{"x"}}, `no host "x"`},
		{Choice{Hosts: []string{"a", "d"}}, "host d does not have the application shop"},
		{Choice{Hosts: []string{"a", "e"}}, "host e has no instance of shop"},
		{Choice{Labels: []string{"role"}}, "KEY=VALUE"},
		{Choice{Labels: []string{"=x"}}, "KEY=VALUE"},
		{Choice{Labels: []string{"role=db"}}, "chosen"},
		{Choice{Labels: []string{"role=new"}}, "chosen"},
		{Choice{Labels: []string{"role=web", "role=db"}}, "chosen"}, // no host has both
		{Choice{Labels: []string{"role=db", "role=web"}}, "chosen"},
		{Choice{Labels: []string{"absent="}}, "chosen"},
	} {
		c.choice.App = "shop"
		if got, _, _, err := Choose(c.choice, hosts); !errors.Is(err, exit.ErrUsage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %q, %v", c.choice, got, err)
		}
	}
}

func TestWaves(t *testing.T) {
	for _, c := range []struct {
		text  string
		hosts int
		want  []int
	}{
		{"", 5, nil}, {"rest", 5, []int{5}}, {"1,rest", 5, []int{1, 5}}, {"1,10%,rest", 100, []int{1, 11, 100}},
		{"1, 10%, rest", 5, []int{1, 2, 5}}, {"1,1,1", 3, []int{1, 2, 3}}, {"100%", 3, []int{3}}, {"1,10%,rest", 1, []int{1}}, {"2,2,2,rest", 3, []int{2, 3}},
	} {
		if got, err := Waves(c.text, c.hosts); err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q of %d: %v, %v", c.text, c.hosts, got, err)
		}
	}
	for _, text := range []string{"0", "1,0%,rest", "-1", "101%", "x", "1,,rest", "1", "1.5", "9999999999999999999"} {
		if got, err := Waves(text, 5); !errors.Is(err, exit.ErrUsage) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

func TestQuorum(t *testing.T) {
	for text, want := range map[string]int{"": 10, "all": 10, "3": 3, "80%": 8, "75%": 8, "100%": 10} {
		if got, err := Quorum(text, 10); err != nil || got != want {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"0", "11", "0%", "rest", "x"} {
		if got, err := Quorum(text, 10); !errors.Is(err, exit.ErrUsage) {
			t.Errorf("%q: %d, %v", text, got, err)
		}
	}
}

// What the configuration asks for has to mean something for a rollout to one host, too.
func TestStandingQuorum(t *testing.T) {
	for rule, want := range map[string]int{"": 3, "all": 3, "2": 2, "3": 3, "50": 3, "50%": 2} {
		if got, err := StandingQuorum(rule, 3); err != nil || got != want {
			t.Errorf("%q: %d, %v", rule, got, err)
		}
	}
	for _, rule := range []string{"0", "-1", "banana"} {
		if got, err := StandingQuorum(rule, 3); !errors.Is(err, exit.ErrUsage) {
			t.Errorf("%q: %d, %v", rule, got, err)
		}
	}
}

func TestAdopting(t *testing.T) {
	hosts := map[string]Host{"a": {Apps: map[string]AppOn{"shop": {Release: "r1", Commit: "c1", Digest: "d1"}}}, "b": {Apps: map[string]AppOn{"shop": {}}}}
	if got := (Wanted{}).Adopting(hosts, "shop"); got.Of("a").Digest != "d1" || got.Of("b") != (Target{}) {
		t.Errorf("%+v", got)
	}
	known := Wanted{All: Target{Ref: "v1"}}
	if got := known.Adopting(hosts, "shop"); got.Of("a").Ref != "v1" {
		t.Errorf("%+v", got)
	}
}
