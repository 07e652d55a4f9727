package opcache

import (
	"errors"
	"strings"
	"testing"

	"relink/fcgi"
	"relink/php"
)

// An application that names its pools has nothing to do with a pool of the machine that
// cannot be used.
func TestPoolsThatAnApplicationNames(t *testing.T) {
	t.Parallel()
	pool := func(path string) php.Pool {
		return php.Pool{Address: fcgi.Address{Network: "unix", Path: path}}
	}
	running := []php.Pool{pool("/a"), pool("/b")}
	broken := errors.New("another master refuses its configuration")
	for _, c := range []struct {
		named []string
		want  int
		says  string
	}{
		{nil, 2, broken.Error()},
		{[]string{"unix:/b"}, 1, ""},
		{[]string{"unix:/b", "unix:/gone"}, 0, "unix:/gone"},
	} {
		got, err := namedPools(c.named, running, broken)
		if len(got) != c.want || (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: %v, %v", c.named, got, err)
		}
	}
	if got, err := namedPools([]string{"unix:/b"}, running, broken); err != nil || got[0].Address.Path != "/b" {
		t.Error(got, err)
	}
}
