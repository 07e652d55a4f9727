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
	err := out.Write(csvHead)
	row := make([]string, len(csvHead))
	for i := range r.entries {
		if err != nil {
			break
		}
		r.fillCSV(row, &r.entries[i])
		err = out.Write(row)
	}
	out.Flush()
	if err == nil {
		err = out.Error()
	}
	if err != nil {
		return fmt.Errorf("write the report as CSV: %w", err)
	}
	return nil
}

func (r *Report) fillCSV(row []string, e *entry) {
	clear(row)
	row[0], row[1] = r.Masters[e.master].Name, e.script.Path
	if e.release != nil {
		row[2], row[3] = r.apps[e.release.app].Name, e.release.id
	}
	row[4] = "0"
	if e.script.Live {
		row[4] = "1"
	}
	row[5] = strconv.FormatInt(e.script.Memory, 10)
	row[6] = strconv.FormatInt(e.script.Hits, 10)
	if e.window >= 0 {
		row[7] = strconv.FormatInt(e.window, 10)
	}
	if !e.script.LastUsed.IsZero() {
		row[8] = e.script.LastUsed.UTC().Format(time.RFC3339)
	}
}
