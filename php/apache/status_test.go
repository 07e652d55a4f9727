package apache_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"relink/internal/bounded"
	"relink/php/apache"
)

// A page that goes on behind the bound would tell of some processes only.
func TestAStatusPageIsReadWholeOrNotAtAll(t *testing.T) {
	const row = "<tr><td><b>0-0</b></td><td>4711</td><td>0/0/0</td><td><b>W</b></td><td>0.0</td><td>3</td><td nowrap>GET / HTTP/1.1</td></tr>\n"
	page := row
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, page) }))
	defer server.Close()
	if all, err := apache.Requests(t.Context(), server.URL); err != nil || len(all) != 1 || all[0].PID != 4711 || !all[0].Serves {
		t.Fatalf("%+v %v", all, err)
	}
	page = row + strings.Repeat(" ", 4<<20) + row
	if all, err := apache.Requests(t.Context(), server.URL); !errors.Is(err, bounded.ErrTooLarge) || !errors.Is(err, apache.ErrNoStatusPage) {
		t.Errorf("%d rows, %v", len(all), err)
	}
}
