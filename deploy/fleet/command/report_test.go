package command

import (
	"strings"
	"testing"

	"relink/deploy/fleet"
)

// What came from other hosts is told of each that has fetched something.
func TestReportTellsWhatWasFetched(t *testing.T) {
	r := Report{App: "shop", Votes: map[string]fleet.Vote{
		"web1": {Stage: fleet.Finished},
		"web2": {Stage: fleet.Finished, Fetched: &fleet.Fetched{Files: 3, Of: 23_502, Bytes: 41_000, From: []string{"web1", "web3"}}},
	}}
	text := r.Text(100)
	if !strings.Contains(text, "web2 fetched 3 of 23,502 files, 40 KB, from web1, web3\n") || strings.Contains(text, "web1 fetched") {
		t.Error(text)
	}
}

// A path is no ref of any source, and a ref no path.
func TestPathsAndRefs(t *testing.T) {
	for ref, want := range map[string]bool{"/srv/x": true, "./x": true, "../x.zip": true, "v1": false, "release/v1": false, ".x": false, "x.tar.gz": false, "": false} {
		if isPath(ref) != want {
			t.Errorf("%q", ref)
		}
	}
}
