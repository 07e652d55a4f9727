package page

import (
	"net/http/httptest"
	"testing"

	"relink/internal/browsertest"
)

// open shows the page of a source, once it is live.
func open(t *testing.T, src Source, s browsertest.Setup) *browsertest.Browser {
	t.Helper()
	server := httptest.NewServer(Handler(src))
	t.Cleanup(server.Close)
	b := browsertest.Open(t, server.URL+"/", s)
	if !s.NoScript {
		b.Until(`document.getElementById('live').textContent`, "Live")
	}
	return b
}
