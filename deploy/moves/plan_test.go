package moves

import (
	"errors"
	"testing"

	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/links"

	"github.com/google/go-cmp/cmp"
)

func TestNew(t *testing.T) {
	v2 := Target{Release: "v2", Literal: "/srv/rel/v2/public", Real: "/data/rel/v2/public"}
	for name, c := range map[string]struct {
		state links.State
		want  Move
		moves bool
	}{
		"the first deploy creates the link": {
			state: links.State{Path: "/www/a", Parent: "/www", Kind: links.Missing, UID: -1, GID: -1},
			want:  Move{Place: "/www/a", To: Target{Release: "v2", Literal: "/srv/rel/v2/public", Real: "/data/rel/v2/public"}, UID: -1, GID: -1},
			moves: true,
		},
		"an absolute link stays absolute": {
			state: links.State{Path: "/www/a", Parent: "/www", Kind: links.Good, Literal: "/srv/rel/v1/public", Real: "/data/rel/v1/public", UID: 33, GID: 33},
			want: Move{Place: "/www/a", From: Target{Release: "v1", Literal: "/srv/rel/v1/public", Real: "/data/rel/v1/public"},
				To: Target{Release: "v2", Literal: "/srv/rel/v2/public", Real: "/data/rel/v2/public"}, UID: 33, GID: 33},
			moves: true,
		},
		"a relative link stays relative, from the real folder it lies in": {
			state: links.State{Path: "/www/a", Parent: "/data/www", Kind: links.Good, Literal: "../rel/v1/public", Real: "/data/rel/v1/public"},
			want: Move{Place: "/data/www/a", From: Target{Release: "v1", Literal: "../rel/v1/public", Real: "/data/rel/v1/public"},
				To: Target{Release: "v2", Literal: "../rel/v2/public", Real: "/data/rel/v2/public"}},
			moves: true,
		},
		"a tree made by hand is taken over": {
			state: links.State{Path: "/www/a", Parent: "/www", Kind: links.Good, Literal: "/opt/app", Real: "/opt/app"},
			want: Move{Place: "/www/a", From: Target{Release: "/opt/app", Literal: "/opt/app", Real: "/opt/app"},
				To: Target{Release: "v2", Literal: "/srv/rel/v2/public", Real: "/data/rel/v2/public"}},
			moves: true,
		},
		"a dangling link is moved like any other": {
			state: links.State{Path: "/www/a", Parent: "/www", Kind: links.Dangling, Literal: "/srv/rel/v0", Real: "/data/rel/v0"},
			want: Move{Place: "/www/a", From: Target{Release: "v0", Literal: "/srv/rel/v0", Real: "/data/rel/v0"},
				To: Target{Release: "v2", Literal: "/srv/rel/v2/public", Real: "/data/rel/v2/public"}},
			moves: true,
		},
		"a link that is there already stays": {
			state: links.State{Path: "/www/a", Parent: "/www", Kind: links.Good, Literal: "/srv/rel/v2/public", Real: "/data/rel/v2/public"},
			want: Move{Place: "/www/a", From: Target{Release: "v2", Literal: "/srv/rel/v2/public", Real: "/data/rel/v2/public"},
				To: Target{Release: "v2", Literal: "/srv/rel/v2/public", Real: "/data/rel/v2/public"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.want.Instance, c.want.Link = "a", "/www/a"
			plan, err := New([]Goal{{config.Instance{Name: "a", Link: "/www/a"}, c.state, TargetOf(c.state, "/data/rel"), v2, true}})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(Plan{c.want}, plan); diff != "" {
				t.Error(diff)
			}
			if got := len(plan.Needed()) == 1; got != c.moves {
				t.Errorf("moves: %v, want %v", got, c.moves)
			}
		})
	}
}

func TestTwoSpellingsOfOneLinkAreRefused(t *testing.T) {
	_, err := New([]Goal{
		{Instance: config.Instance{Name: "a"}, State: links.State{Path: "/www/x", Parent: "/var/www", Kind: links.Missing}},
		{Instance: config.Instance{Name: "b"}, State: links.State{Path: "/var/www/x", Parent: "/var/www", Kind: links.Missing}},
	})
	if !errors.Is(err, exit.ErrUsage) || err.Error() != "instances a and b are the same link /var/www/x" {
		t.Errorf("got %v", err)
	}
}

func TestPreviousIsWhereMostComeFrom(t *testing.T) {
	from := func(releases ...string) (plan Plan) {
		for _, release := range releases {
			plan = append(plan, Move{From: Target{Release: release, Literal: release}})
		}
		return plan
	}
	if got := from("v1", "v2", "v2").Previous(); got != "v2" {
		t.Errorf("got %q, want v2", got)
	}
	if got := (Plan{{}}).Previous(); got != "" {
		t.Errorf("a first deploy comes from %q, want nothing", got)
	}
}
