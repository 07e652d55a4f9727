package ui

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bytes says a size with at most one decimal: "690 KB", "14.2 MB". A KB is 1024
// bytes, as in php.ini and in OPcache's figures.
func Bytes(n int64) string {
	units := []string{"B", "KB", "MB", "GB", "TB", "PB", "EB"}
	value, unit := float64(n), 0
	for math.Abs(value) >= 1023.95 && unit < len(units)-1 {
		value /= 1024
		unit++
	}
	return decimal(value) + " " + units[unit]
}

// decimal has one decimal at most, and none that is 0.
func decimal(value float64) string {
	rounded := math.Round(value*10) / 10
	return strconv.FormatFloat(rounded+0, 'f', -1, 64)
}

// Duration says a time in the two figures that matter: "0.4 ms", "41 ms",
// "5.2 s", "2 min 5 s", "3 h 4 min", "2 d 3 h".
func Duration(d time.Duration) string {
	if d < 0 {
		return "-" + Duration(-max(d, -math.MaxInt64))
	}
	switch {
	case d < 9950*time.Microsecond:
		return decimal(float64(d)/float64(time.Millisecond)) + " ms"
	case d < time.Second-500*time.Microsecond:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond)/time.Millisecond)
	case d < time.Minute-50*time.Millisecond:
		return decimal(d.Seconds()) + " s"
	case d < time.Hour-time.Second/2:
		return pair(d.Round(time.Second), time.Minute, "min", time.Second, "s")
	case d < 24*time.Hour-time.Minute/2:
		return pair(d.Round(time.Minute), time.Hour, "h", time.Minute, "min")
	}
	return pair(d.Round(time.Hour), 24*time.Hour, "d", time.Hour, "h")
}

func pair(d, large time.Duration, largeUnit string, small time.Duration, smallUnit string) string {
	text := fmt.Sprintf("%d %s", d/large, largeUnit)
	if rest := d % large / small; rest > 0 {
		text += fmt.Sprintf(" %d %s", rest, smallUnit)
	}
	return text
}

// Percent says a ratio of 0 to 1: "98.7 %". What is no number is "-".
func Percent(ratio float64) string {
	if math.IsNaN(ratio) || math.IsInf(ratio, 0) {
		return "-"
	}
	return decimal(ratio*100) + " %"
}

// Count says a number with its thousands apart: "6,126".
func Count[N int | int32 | int64](n N) string {
	digits := strconv.FormatInt(int64(n), 10)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// Plural says a number of things whose plural ends in s: "1 script",
// "6,126 scripts".
func Plural[N int | int32 | int64](n N, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return Count(n) + " " + thing + "s"
}

// PluralOrNone is Plural, and "" for none.
func PluralOrNone(n int, thing string) string {
	if n == 0 {
		return ""
	}
	return Plural(n, thing)
}

// Joined leaves out what is empty.
func Joined(separator string, parts ...string) string {
	return strings.Join(slices.DeleteFunc(slices.Clone(parts), func(part string) bool { return part == "" }), separator)
}

// FirstFew names the first five.
func FirstFew(names []string) string { return First(5, names) }

// First names so many: a message with a thousand sites helps nobody.
func First(most int, names []string) string {
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// OrDash says a figure; "-" where it is not known.
func OrDash[N any](n *N, say func(N) string) string {
	if n == nil {
		return "-"
	}
	return say(*n)
}

// Stamp says a time to the minute, in the server's own zone; "-" for the zero time.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04")
}
