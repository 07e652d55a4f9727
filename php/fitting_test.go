package php

import (
	"strings"
	"testing"
)

func TestFitting(t *testing.T) {
	half := strings.Repeat("x", maxBody/2)
	for want, files := range map[int][]string{
		0: nil, 1: {half + half, "b"}, 2: {half, "b", half}, 3: {"a", "b", "c"},
	} {
		if got := fitting(files); got != want {
			t.Errorf("%d of %d files, want %d", got, len(files), want)
		}
	}
}
