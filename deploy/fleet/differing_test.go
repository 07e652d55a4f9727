package fleet

import (
	"slices"
	"testing"
)

func TestDiffering(t *testing.T) {
	one, other := NewList(), NewList()
	for _, name := range []string{"same", "with space", "changed", "only here"} {
		one.Add(name, "x")
	}
	for _, name := range []string{"same", "with space", "only there\n"} {
		other.Add(name, "x")
	}
	other.Add("changed", "y")
	got, err := Differing(one.Bytes(), other.Bytes())
	if want := []string{"changed", "only here", "only there\n"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
	for _, bad := range [][]byte{nil, []byte("x"), NewList().Bytes()[:5]} {
		if _, err := Differing(bad, NewList().Bytes()); err == nil {
			t.Errorf("%q", bad)
		}
	}
}
