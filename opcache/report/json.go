package report

import (
	"encoding/json"
	"fmt"
	"io"
)

// JSON writes the report as docs/opcache-report.md describes it. Bytes of a path
// that are not UTF-8 become U+FFFD.
func (r *Report) JSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write the report as JSON: %w", err)
	}
	return nil
}
