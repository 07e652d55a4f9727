package outcome

import (
	"fmt"
	"strings"

	"relink/internal/hint"
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

// CleanedFiles tells what was removed of file caches. The releases are gone already: that
// not all could be removed is worth a word, and fails nothing.
func (r *Report) CleanedFiles(done filecache.Cleaned, err error) {
	if done.Files > 0 || len(done.Left) > 0 {
		r.FileCache = &done
	}
	if err != nil {
		r.Warn(strings.Join(append([]string{err.Error()}, hint.Of(err)...), "; "))
	}
}

func fileCacheText(c *filecache.Cleaned) string {
	if c == nil {
		return ""
	}
	var parts []string
	if c.Files > 0 {
		parts = append(parts, fmt.Sprintf("removed %s of releases that are gone, %s", ui.Plural(c.Files, "file"), ui.Bytes(c.Bytes)))
	}
	if len(c.Left) > 0 {
		parts = append(parts, "left to root, or to the pool's user: "+ui.FirstFew(c.Left))
	}
	return strings.Join(parts, "; ")
}
