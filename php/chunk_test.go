package php

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChunk(t *testing.T) {
	got := chunk([]string{"aaaaaaaaaa", "b", "c", "d", "e"}, 8, 2)
	if diff := cmp.Diff([][]string{{"aaaaaaaaaa"}, {"b", "c"}, {"d", "e"}}, got); diff != "" {
		t.Error(diff)
	}
	if got := chunk(nil, 8, 0); got != nil {
		t.Error(got)
	}
}
