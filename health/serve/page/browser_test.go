package page

import (
	"os"
	"testing"

	"relink/internal/browsertest"
)

func TestMain(m *testing.M) { os.Exit(browsertest.Main(m)) }

// open shows the page of a feed, once it is live.
func open(t *testing.T, feed *Feed, s browsertest.Setup) *browsertest.Browser {
	t.Helper()
	return openAt(t, serveWith(t, feed, defaultLimits).URL, s)
}

func openAt(t *testing.T, url string, s browsertest.Setup) *browsertest.Browser {
	t.Helper()
	b := browsertest.Open(t, url+"/", s)
	if !s.NoScript {
		b.Until(`document.getElementById('live').textContent`, "Live")
	}
	return b
}
