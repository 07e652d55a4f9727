package fcgi_test

import (
	"strings"
	"testing"

	"relink/fcgi"
	"relink/internal/hint"
)

func TestParseAddress(t *testing.T) {
	for spelling, want := range map[string]string{
		"unix:/run/php/a.sock":                "unix:/run/php/a.sock",
		"unix:///run/php/a.sock":              "unix:/run/php/a.sock",
		"/run/php/a.sock":                     "unix:/run/php/a.sock",
		"/run//php/../php/a.sock":             "unix:/run/php/a.sock",
		"/run/mit leer/é:1.sock":              "unix:/run/mit leer/é:1.sock",
		"tcp:127.0.0.1:9000":                  "tcp:127.0.0.1:9000",
		"tcp://127.0.0.1:9000":                "tcp:127.0.0.1:9000",
		"127.0.0.1:9000":                      "tcp:127.0.0.1:9000",
		"127.0.0.1:09000":                     "tcp:127.0.0.1:9000",
		"localhost:9000":                      "tcp:localhost:9000",
		"[::1]:9000":                          "tcp:[::1]:9000",
		"tcp:[::1]:9000":                      "tcp:[::1]:9000",
		"/" + strings.Repeat("x", 106):        "unix:/" + strings.Repeat("x", 106),
		"unix:/x/" + strings.Repeat("/", 200): "unix:/x",
	} {
		address, err := fcgi.ParseAddress(spelling)
		if err != nil || address.String() != want {
			t.Errorf("%q: %v, error %v", spelling, address, err)
		}
	}
	for _, wrong := range []string{
		"", "unix:", "unix:run/a.sock", "run/a.sock", "a.sock", "9000", ":9000", "tcp:", "tcp:/run/a.sock", "tcp::9000", "::1:9000",
		"127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:http", "127.0.0.1:-1", "127.0.0.1:9000/",
		"unix:/run/a.sock|fcgi://localhost/", "/run/a\x00.sock", "/" + strings.Repeat("x", 107), "http://127.0.0.1:9000",
	} {
		address, err := fcgi.ParseAddress(wrong)
		if err == nil || len(hint.Of(err)) == 0 || address != (fcgi.Address{}) {
			t.Errorf("%q gives %v, error %v", wrong, address, err)
		}
	}
}

// FuzzParseAddress checks that what is shown is read back as the same.
func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"unix:/run/a.sock", "/run/a.sock", "tcp:127.0.0.1:9000", "[::1]:9000", "::1:9000", "unix:/run/a|fcgi:", "127.0.0.1:09"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		address, err := fcgi.ParseAddress(s)
		if err != nil {
			return
		}
		if again, err := fcgi.ParseAddress(address.String()); err != nil || again != address {
			t.Errorf("%q is %v, which reads as %v, error %v", s, address, again, err)
		}
	})
}
