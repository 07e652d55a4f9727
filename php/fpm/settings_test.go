package fpm

import (
	"testing"
	"time"
)

const printedConfig = "[23-Nov-2026 06:26:21] NOTICE: [global]\n" +
	"[23-Nov-2026 06:26:21] NOTICE: \tpid = /run/fpm.pid\n" +
	"[23-Nov-2026 06:26:21] NOTICE: \tprocess_control_timeout = 90s\n" +
	"[23-Nov-2026 06:26:21] NOTICE:  \n" +
	"[23-Nov-2026 06:26:21] NOTICE: [www]\n" +
	"[23-Nov-2026 06:26:21] NOTICE: \tprocess_control_timeout = 5s\n"

func TestParseControlTimeout(t *testing.T) {
	for printed, want := range map[string]time.Duration{
		printedConfig:                            90 * time.Second,
		"":                                       -1,
		"NOTICE: \tprocess_control_timeout = 9s": -1,
		"NOTICE: [global]\nNOTICE: \tprocess_control_timeout = 0s":       0,
		"NOTICE: [global]\nNOTICE: \tprocess_control_timeout = soon":     -1,
		"NOTICE: [global]\r\nNOTICE: \tprocess_control_timeout = 1s\r\n": time.Second,
	} {
		if got := parseControlTimeout([]byte(printed)); got != want {
			t.Errorf("%q: %s, want %s", printed, got, want)
		}
	}
}

func FuzzParseControlTimeout(f *testing.F) {
	f.Add([]byte(printedConfig))
	f.Add([]byte("NOTICE: [global]\nNOTICE: \tprocess_control_timeout = -5s\n"))
	f.Fuzz(func(t *testing.T, printed []byte) {
		if got := parseControlTimeout(printed); got < -1 {
			t.Errorf("%s", got)
		}
	})
}
