package config_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"relink/internal/config"
)

// measured is how a duration or a size is shown.
var measured = regexp.MustCompile(`^[0-9.]+(h|m|s|ms|[KMGT]?B)`)

// leaf is a key whose value is a number, a duration or a size.
type leaf struct {
	key string
	set func(any)
	now func() any
}

// leaves are those of a configuration as "config show --format json" gives it.
func leaves(key string, tree any) (all []leaf) {
	below := func(name string, value any, set func(any), now func() any) {
		text, isText := value.(string)
		if _, isNumber := value.(float64); isNumber || isText && measured.MatchString(text) {
			all = append(all, leaf{name, set, now})
			return
		}
		all = append(all, leaves(name, value)...)
	}
	switch v := tree.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			below(strings.TrimPrefix(key+"."+name, "."), v[name], func(to any) { v[name] = to }, func() any { return v[name] })
		}
	case []any:
		for i := range v {
			below(fmt.Sprintf("%s[%d]", key, i), v[i], func(to any) { v[i] = to }, func() any { return v[i] })
		}
	}
	return all
}

func shownLeaves(t *testing.T, c *config.Config) (tree any, all []leaf) {
	t.Helper()
	if err := json.Unmarshal([]byte(show(t, c, "json")), &tree); err != nil {
		t.Fatal(err)
	}
	return tree, leaves("", tree)
}

// A zero that the file gives is a zero, or it is refused with the key; the default
// never comes in its place.
func TestZeroMeansZero(t *testing.T) {
	c := parse(t, full(t))
	_, all := shownLeaves(t, c)
	if len(all) < 60 {
		t.Fatalf("%d keys, want those of all sections", len(all))
	}
	kept := map[string]bool{}
	for i, one := range all {
		tree, changed := shownLeaves(t, c)
		changed[i].set(0)
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		again, err := config.Parse("relink.yaml", text)
		if err != nil {
			name := one.key[strings.LastIndexByte(one.key, '.')+1:]
			around := strings.TrimSuffix(one.key, "."+name)
			text := strings.ReplaceAll(err.Error(), `"`, "") // around a name with a dot
			if !errors.Is(err, config.ErrInvalid) || !strings.Contains(text, around) || !strings.Contains(text, name) {
				t.Errorf("%s: 0 is refused without its name: %v", one.key, err)
			}
			continue
		}
		_, now := shownLeaves(t, again)
		at := slices.IndexFunc(now, func(l leaf) bool { return l.key == one.key })
		if at < 0 || !slices.Contains([]any{0.0, "0s", "0B"}, now[at].now()) {
			t.Errorf("%s: 0 has become something else:\n%s", one.key, show(t, again, "json"))
		}
		kept[one.key] = true
	}
	for _, key := range []string{"timeouts.settle", "restart.wait", "warm.pause", "thresholds.free_bytes", "apps.booking.keep", "apps.booking.min_free", "health.latency.warning"} {
		if !kept[key] {
			t.Errorf("%s: 0 is refused", key)
		}
	}
}
