package ui_test

import (
	"math"
	"slices"
	"testing"
	"time"

	"relink/internal/ui"
)

func TestWords(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{ui.Bytes(0), "0 B"},
		{ui.Bytes(1023), "1023 B"},
		{ui.Bytes(1024), "1 KB"},
		{ui.Bytes(706_560), "690 KB"},
		{ui.Bytes(14_889_779), "14.2 MB"},
		{ui.Bytes(128 << 20), "128 MB"},
		{ui.Bytes(1<<20 - 1), "1 MB"},
		{ui.Bytes(-3 << 29), "-1.5 GB"},
		{ui.Bytes(math.MaxInt64), "8 EB"},
		{ui.Bytes(math.MinInt64), "-8 EB"},
		{ui.Duration(0), "0 ms"},
		{ui.Duration(20 * time.Microsecond), "0 ms"},
		{ui.Duration(400 * time.Microsecond), "0.4 ms"},
		{ui.Duration(9949 * time.Microsecond), "9.9 ms"},
		{ui.Duration(9950 * time.Microsecond), "10 ms"},
		{ui.Duration(41 * time.Millisecond), "41 ms"},
		{ui.Duration(999_500 * time.Microsecond), "1 s"},
		{ui.Duration(5234 * time.Millisecond), "5.2 s"},
		{ui.Duration(59_960 * time.Millisecond), "1 min"},
		{ui.Duration(125 * time.Second), "2 min 5 s"},
		{ui.Duration(3599_600 * time.Millisecond), "1 h"},
		{ui.Duration(3*time.Hour + 4*time.Minute + 10*time.Second), "3 h 4 min"},
		{ui.Duration(24*time.Hour - time.Second), "1 d"},
		{ui.Duration(51 * time.Hour), "2 d 3 h"},
		{ui.Duration(-5 * time.Second), "-5 s"},
		{ui.Duration(math.MinInt64), "-106751 d 23 h"},
		{ui.Percent(0.98765), "98.8 %"},
		{ui.Percent(1), "100 %"},
		{ui.Percent(math.NaN()), "-"},
		{ui.Percent(math.Inf(1)), "-"},
		{ui.Count(0), "0"},
		{ui.Count(999), "999"},
		{ui.Count(6126), "6,126"},
		{ui.Count(int64(-1234567)), "-1,234,567"},
		{ui.Count(int64(math.MinInt64)), "-9,223,372,036,854,775,808"},
		{ui.Plural(1, "script"), "1 script"},
		{ui.Plural(0, "script"), "0 scripts"},
		{ui.Plural(int64(6126), "script"), "6,126 scripts"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestFold(t *testing.T) {
	got := ui.Fold("steps a"+ui.Together+"1"+ui.Together+"ms, verylongwordthatdoesnotfit b", 10)
	if want := []string{"steps", "a 1 ms,", "verylongwordthatdoesnotfit", "b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
