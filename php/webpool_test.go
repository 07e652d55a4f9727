package php_test

import (
	"testing"

	"relink/php"
)

func TestNamesOfOneApache(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"mod_php http://127.0.0.1/ (Apache pid 7)", "mod_php https://127.0.0.1:8443/ (Apache pid 7)", true},
		{"mod_php http://127.0.0.1/ (Apache pid 7)", "mod_php http://127.0.0.1/ (Apache pid 77)", false},
		{"mod_php http://127.0.0.1/ (host a)", "mod_php http://127.0.0.1/ (host b)", false},
		{"unix:/run/a (Apache pid 7)", "unix:/run/b (Apache pid 7)", false},
	} {
		if got := php.SameApache(tt.a, tt.b); got != tt.same {
			t.Errorf("%s and %s: %v", tt.a, tt.b, got)
		}
	}
}
