package ui

import (
	"encoding/json"
	"io"
	"time"
)

// JSON writes a result as one document.
func JSON(w io.Writer, document any) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(document)
}

// Milliseconds is how documents tell a duration. It keeps three decimals: a cut-over
// is told in them.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// FromMilliseconds is the duration that a document tells.
func FromMilliseconds(ms float64) time.Duration { return time.Duration(ms * float64(time.Millisecond)) }
