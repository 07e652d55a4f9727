package opcache

import (
	"errors"
	"testing"
)

func TestUntilNoNews(t *testing.T) {
	for _, c := range []struct {
		news  []bool
		asked int
	}{{[]bool{}, 3}, {[]bool{true}, 4}, {[]bool{false, false, true}, 6}, {[]bool{true, true}, 5}} {
		asked := 0
		err := untilNoNews(3, func() (bool, error) {
			asked++
			return asked <= len(c.news) && c.news[asked-1], nil
		})
		if err != nil || asked != c.asked {
			t.Errorf("%v: asked %d times, want %d", c.news, asked, c.asked)
		}
	}
	failed := errors.New("refused")
	if err := untilNoNews(3, func() (bool, error) { return true, failed }); !errors.Is(err, failed) {
		t.Error(err)
	}
}
