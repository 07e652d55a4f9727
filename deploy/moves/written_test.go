package moves

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// What is read is what was written, in its order.
func TestPlansAreWrittenInGroups(t *testing.T) {
	v1 := Target{Release: "v1", Literal: "/rel/v1", Real: "/data/rel/v1"}
	v2 := Target{Release: "v2", Literal: "/rel/v2", Real: "/data/rel/v2", Content: "v0"}
	move := func(name string, from, to Target) Move {
		return Move{Instance: name, Link: "/www/" + name, Place: "/www/" + name, From: from, To: to, UID: 33, GID: -1}
	}
	elsewhere, owned, stays := move("c", v1, v2), move("d", v1, v2), move("e", v1, v2)
	elsewhere.Place, owned.UID, stays.Stays = "/data/www/c", 0, true
	for name, c := range map[string]struct {
		plan   Plan
		groups int
	}{
		"none":               {Plan{}, 0},
		"one":                {Plan{move("a", Target{}, v1)}, 1},
		"all alike":          {Plan{move("a", v1, v2), move("b", v1, v2), elsewhere}, 1},
		"of another owner":   {Plan{move("a", v1, v2), owned}, 2},
		"one stays":          {Plan{move("a", v1, v2), stays}, 2},
		"between two others": {Plan{move("a", v1, v2), move("b", v2, Target{}), elsewhere}, 3},
	} {
		text, err := json.Marshal(c.plan)
		must(t, err)
		if n := strings.Count(string(text), `"from"`); n != c.groups {
			t.Errorf("%s: %d groups, want %d: %s", name, n, c.groups, text)
		}
		read := Plan{}
		must(t, json.Unmarshal(text, &read))
		if len(read)+len(c.plan) > 0 && !reflect.DeepEqual(read, c.plan) {
			t.Errorf("%s:\n%+v was read,\n%+v was written", name, read, c.plan)
		}
	}
}

func TestPlansOfEarlierVersions(t *testing.T) {
	const text = `[{"instance":"a","link":"/www/a","place":"/data/www/a","from":{"release":"v1","literal":"/rel/v1","real":"/rel/v1"},"to":{"release":"v2","literal":"/rel/v2","real":"/rel/v2"},"uid":33,"gid":34,"stays":true},{}]`
	want := Plan{{Instance: "a", Link: "/www/a", Place: "/data/www/a", From: Target{Release: "v1", Literal: "/rel/v1", Real: "/rel/v1"},
		To: Target{Release: "v2", Literal: "/rel/v2", Real: "/rel/v2"}, UID: 33, GID: 34, Stays: true}, {}}
	var read Plan
	must(t, json.Unmarshal([]byte(text), &read))
	if !reflect.DeepEqual(read, want) {
		t.Errorf("%+v, want %+v", read, want)
	}
	for _, text := range []string{`{}`, `[1]`, `[{"instances": {}}]`, `[{"from": "v1"}]`} {
		if err := json.Unmarshal([]byte(text), &read); err == nil {
			t.Errorf("%s was read: %+v", text, read)
		}
	}
}

// A history of many deploys to many instances is read at each deploy.
func TestAMoveOfManyIsShort(t *testing.T) {
	var plan Plan
	for i := range 1000 {
		link := fmt.Sprintf("/var/www/club%d", i)
		plan = append(plan, Move{Instance: fmt.Sprintf("club%d", i), Link: link, Place: link,
			From: Target{Release: "v1", Literal: "/srv/releases/v1", Real: "/srv/releases/v1"}, To: Target{Release: "v2", Literal: "/srv/releases/v2", Real: "/srv/releases/v2"}})
	}
	text, err := json.Marshal(plan)
	must(t, err)
	if len(text) > 60*len(plan) {
		t.Errorf("%d bytes for each instance", len(text)/len(plan))
	}
}
