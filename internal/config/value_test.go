package config

import (
	"testing"
	"time"
)

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1": 1, "16MB": 16 << 20, "16M": 16 << 20, "16MiB": 16 << 20, "16 MB": 16 << 20, "512KB": 512 << 10, "2G": 2 << 30, "1TB": 1 << 40,
		"8388607TB": 8388607 << 40, "7B": 7,
	} {
		got, err := parseSize(text)
		if err != nil || got != want {
			t.Errorf("%q: %d, %v; want %d", text, got, err, want)
		}
		if again, err := parseSize(formatSize(got)); err != nil || again != got {
			t.Errorf("%d is shown as %s, read as %d, %v", got, formatSize(got), again, err)
		}
	}
	for _, text := range []string{"", "MB", "-1", "1.5MB", "16mb", "1PB", "8388608TB", "99999999999999999999", "0x10"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}

func TestDurationsAreShownShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Second: "1s", 90 * time.Second: "1m30s", 10 * time.Minute: "10m", time.Hour: "1h", 20 * time.Hour: "20h",
		time.Hour + time.Second: "1h0m1s", 50 * time.Millisecond: "50ms", 10 * time.Second: "10s",
	} {
		if got := shortDuration(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
}

func TestAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"unix:/run/a b.sock": "unix:/run/a b.sock", "/run//x.sock": "unix:/run/x.sock", "unix:/run/ü/": "unix:/run/ü",
		"tcp:127.0.0.1:9000": "tcp:127.0.0.1:9000", "localhost:09000": "tcp:localhost:9000", "[::1]:9000": "tcp:[::1]:9000", "tcp:[::1]:9000": "tcp:[::1]:9000",
		"php_fpm:9000": "tcp:php_fpm:9000",
		"":             "", "unix:x": "", "unix:": "", "/run/../x": "", "host": "", ":9000": "", "h:0": "", "h:65536": "", "h:-1": "", "a b:1": "", "[::g]:1": "", "h:http": "", "udp:h:1": "",
	} {
		if got, err := PoolAddress(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", text, got, err, want)
		}
	}
}

func TestParentsOfKeys(t *testing.T) {
	for key, want := range map[string]string{
		"apps": "", child("apps", "a"): "apps", child("apps", `a.b"]`): "apps", child(child("apps", `a"."`), "keep"): `apps."a\".\""`,
		item("pools", 3): "pools", child(item("pools", 3), "address"): "pools[3]",
	} {
		if got := parent(key); got != want {
			t.Errorf("%s: %q, want %q", key, got, want)
		}
	}
}
