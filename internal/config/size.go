package config

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var sizeForm = regexp.MustCompile(`^([0-9]+) ?([KMGT]?)(?:i?B)?$`)

// units count by 1024, as opcache.memory_consumption and php.ini's 16M do.
var units = []struct {
	letter string
	bytes  int64
}{{"T", 1 << 40}, {"G", 1 << 30}, {"M", 1 << 20}, {"K", 1 << 10}, {"", 1}}

// parseSize reads 16MB, 16M, 16MiB and plain bytes.
func parseSize(text string) (int64, error) {
	parts := sizeForm.FindStringSubmatch(text)
	if parts == nil {
		return 0, fmt.Errorf("%q is not a size; write it like 512KB, 16MB or 1GB", text)
	}
	number, err := strconv.ParseInt(parts[1], 10, 64)
	for _, unit := range units {
		if unit.letter == parts[2] && err == nil && number <= math.MaxInt64/unit.bytes {
			return number * unit.bytes, nil
		}
	}
	return 0, fmt.Errorf("%q is too large for a size", text)
}

// formatSize is the shortest form that parseSize reads back exactly.
func formatSize(bytes int64) string {
	for _, unit := range units {
		if bytes >= unit.bytes && bytes%unit.bytes == 0 {
			return strconv.FormatInt(bytes/unit.bytes, 10) + unit.letter + "B"
		}
	}
	return strconv.FormatInt(bytes, 10) + "B"
}

// shortDuration is 10m, where time.Duration says 10m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
