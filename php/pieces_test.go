package php

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestPiecesStayBelowTheBounds(t *testing.T) {
	var links, scripts []string
	for i := range 1000 {
		links = append(links, fmt.Sprintf("/var/www/customers/of/the/long/path/club%d", i))
	}
	for i := range 6000 {
		scripts = append(scripts, fmt.Sprintf("vendor/some/package/%s/File%d.php", strings.Repeat("x", i%200), i))
	}
	qs := []AliasQuery{
		{Root: "/srv/r1/", Links: links, Scripts: scripts, Known: scripts},
		{Root: "/srv/r2", Links: links[:3], Scripts: []string{"a.php"}},
		{Root: "/srv/r3", Links: links[:3]},
	}
	asked, known := map[string]int{}, 0
	for _, batch := range pack(append(knownPieces(qs), askPieces(qs)...)) {
		size, lookups := 0, 0
		for _, p := range batch {
			size, lookups, known = size+p.size(), lookups+p.lookups(), known+len(p.Known)
			if p.Scripts != nil {
				asked[string(p.Root)] += len(p.Links) * len(*p.Scripts)
			}
		}
		if size > maxBody || lookups > maxLookups {
			t.Errorf("one request of %d bytes and %d look-ups", size, lookups)
		}
	}
	if diff := cmp.Diff(map[string]int{"/srv/r1": 6_000_000, "/srv/r2": 3}, asked); diff != "" || known != 6000 {
		t.Error(diff, known)
	}
}

func TestUsualCutOverIsOneRequest(t *testing.T) {
	var qs []AliasQuery
	for i := range 30 {
		qs = append(qs, AliasQuery{Root: "/srv/r1", Links: []string{fmt.Sprintf("/var/www/club%d", i)},
			Scripts: slices.Repeat([]string{"src/some/script.php"}, 300), Known: []string{"index.php"}})
	}
	if n := len(pack(append(knownPieces(qs), askPieces(qs)...))); n != 1 {
		t.Errorf("%d requests", n)
	}
}

func TestChunk(t *testing.T) {
	got := chunk([]string{"aaaaaaaaaa", "b", "c", "d", "e"}, 8, 2)
	if diff := cmp.Diff([][]string{{"aaaaaaaaaa"}, {"b", "c"}, {"d", "e"}}, got); diff != "" {
		t.Error(diff)
	}
	if got := chunk(nil, 8, 0); got != nil {
		t.Error(got)
	}
}
