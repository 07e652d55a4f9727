package outcome

import (
	"fmt"
	"strings"

	"relink/internal/ui"
	"relink/opcache"
	"relink/opcache/filecache"
)

// What is cleared beside OPcache, for people.

func apcuText(a *opcache.APCu) string {
	if a == nil {
		return ""
	}
	var parts []string
	if a.Caches > 0 {
		entries := "1 entry"
		if a.Entries != 1 {
			entries = ui.Count(a.Entries) + " entries"
		}
		parts = append(parts, fmt.Sprintf("cleared: %s, %s in %s", entries, ui.Bytes(a.Bytes), ui.Plural(a.Caches, "cache")))
	}
	if len(a.Absent) > 0 {
		parts = append(parts, "not there, or off (apc.enabled): "+ui.FirstFew(a.Absent))
	}
	return strings.Join(parts, "; ")
}

func fileCacheText(c *filecache.Cleaned) string {
	if c == nil {
		return ""
	}
	return fmt.Sprintf("removed %s of releases that are gone, %s", ui.Plural(c.Files, "file"), ui.Bytes(c.Bytes))
}
