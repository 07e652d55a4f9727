package report

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"
)

// csvHead names the columns; docs/opcache-report.md is their contract.
var csvHead = []string{"master", "path", "app", "release", "live", "bytes", "hits", "window_hits", "last_used"}

// CSV writes every script, in the order of the masters and of OPcache's own
// list. Paths are written byte by byte; what is not known is empty.
func (r *Report) CSV(w io.Writer) error {
	out := csv.NewWriter(w)
	_ = out.Write(csvHead) // the writer keeps its first error
	for i := range r.entries {
		_ = out.Write(r.csvRow(&r.entries[i]))
	}
	out.Flush()
	if err := out.Error(); err != nil {
		return fmt.Errorf("write the report as CSV: %w", err)
	}
	return nil
}

func (r *Report) csvRow(e *entry) []string {
	row := []string{r.Masters[e.master].Name, e.script.Path, "", "", "0", strconv.FormatInt(e.script.Memory, 10), strconv.FormatInt(e.script.Hits, 10), "", ""}
	if e.release != nil {
		row[2], row[3] = r.apps[e.release.app].Name, e.release.id
	}
	if e.script.Live {
		row[4] = "1"
	}
	if e.window >= 0 {
		row[7] = strconv.FormatInt(e.window, 10)
	}
	if !e.script.LastUsed.IsZero() {
		row[8] = e.script.LastUsed.UTC().Format(time.RFC3339)
	}
	return row
}
