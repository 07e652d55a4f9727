package opcache

import (
	"errors"
	"testing"
	"time"

	"relink/fcgi"
)

func TestUntilNoNews(t *testing.T) {
	t.Parallel()
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

// How often the others are asked while some cannot answer.
func TestPauseAfter(t *testing.T) {
	t.Parallel()
	known, unknown := fcgi.Process{State: fcgi.StateRunning}, fcgi.Process{}
	for _, c := range []struct {
		missing []fcgi.Process
		looks   int // in five seconds
	}{{[]fcgi.Process{known}, 105}, {[]fcgi.Process{known, unknown}, 20}} {
		looks := 0
		for waited, pause := time.Duration(0), firstPause; waited < 5*time.Second; pause = pauseAfter(pause, c.missing) {
			waited += pause
			looks++
		}
		if looks > c.looks {
			t.Errorf("%v: %d looks, want at most %d", c.missing, looks, c.looks)
		}
	}
}
