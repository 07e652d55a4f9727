package apps

import "testing"

func TestDescribeServing(t *testing.T) {
	got := DescribeServing([]Serving{{"v1", make([]string, 28)}, {"v2", []string{"club1", "club2"}}, {"", []string{"new"}}})
	if want := "28 instances on v1, 2 on v2: club1, club2; 1 without a link: new"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
