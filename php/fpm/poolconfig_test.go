package fpm

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What "php-fpm -tt" of three PHP versions prints of the same configuration.
func TestParsePools(t *testing.T) {
	want := []map[string]string{
		{"": "www", "listen": "/run/php/fpm.sock", "pm.status_path": "/fpm-status"},
		{"": "two", "listen": "/run/two.sock", "chroot": "/srv/two"},
		{"": "three", "listen": "/tmp/rel.sock"},
		{"": "four", "listen": "9123"},
		{"": "five", "listen": "[::1]:9124"},
		{"": "six", "listen": "*:9125"},
	}
	for _, version := range []string{"7.4", "8.2", "8.4"} {
		pools, err := parsePools(read(t, "testdata/fpm-tt-"+version+".txt"))
		if err != nil {
			t.Error(err)
		}
		var got []map[string]string
		for _, pool := range pools {
			told := map[string]string{"": pool.name}
			for _, key := range []string{"listen", "pm.status_path", "chroot"} {
				if value, found := pool.values[key]; found {
					told[key] = value
				}
			}
			got = append(got, told)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", version, diff)
		}
	}
}

func read(t testing.TB, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestParsePoolsRefuses(t *testing.T) {
	for _, printed := range []string{"", "ERROR: [www]", "NOTICE: [global]", "NOTICE: [www]\nNOTICE: \tuser = x"} {
		if pools, err := parsePools([]byte(printed)); err == nil {
			t.Errorf("%q gives %v", printed, pools)
		}
	}
}

func TestDialable(t *testing.T) {
	for listen, want := range map[string]string{
		"/run/x.sock": "unix:/run/x.sock", "9000": "tcp:127.0.0.1:9000", "*:9000": "tcp:127.0.0.1:9000",
		"0.0.0.0:9000": "tcp:127.0.0.1:9000", "[::]:9000": "tcp:[::1]:9000", "10.0.0.1:9000": "tcp:10.0.0.1:9000", ":9000": "tcp:127.0.0.1:9000",
	} {
		if got := dialable(listen); got != want {
			t.Errorf("%q: %q, want %q", listen, got, want)
		}
	}
}

func FuzzParsePools(f *testing.F) {
	f.Add(read(f, "testdata/fpm-tt-8.2.txt"))
	f.Add([]byte("NOTICE: [a]\nNOTICE: \tlisten = undefined\n"))
	f.Fuzz(func(t *testing.T, printed []byte) {
		pools, err := parsePools(printed)
		if err != nil {
			return
		}
		for _, p := range pools {
			if p.name == "" || p.values["listen"] == "" {
				t.Errorf("%+v", p)
			}
			(Master{Root: "/", PID: 1}).pool(p)
		}
	})
}
