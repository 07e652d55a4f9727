package app_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"relink/internal/sandbox/app"
)

// A slow request has to be answered, by one release.
func TestAskSlowly(t *testing.T) {
	for _, one := range []struct {
		status     int
		body, want string
		failed     bool
	}{
		{200, "release v1 part v1", "v1", false}, {502, "release v1 part v1", "", true},
		{200, "", "", true}, {200, "release v1 part v2", app.Mixed, true},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "club.test" || r.URL.String() != "/slow.php?s=5" {
				t.Errorf("%s%s was asked", r.Host, r.URL)
			}
			w.Header().Set(app.ReleaseHeader, "v1")
			w.WriteHeader(one.status)
			_, _ = w.Write([]byte(one.body))
		}))
		got, err := app.App{Slow: "/slow.php"}.AskSlowly(t.Context(), server.URL, "club.test")
		if got != one.want || (err != nil) != one.failed {
			t.Errorf("%d %q: %q, %v", one.status, one.body, got, err)
		}
		server.Close()
	}
}
