package render

import (
	"time"

	"relink/health"
	"relink/internal/ui"
)

// DocumentVersion is that of the JSON contract, docs/health.md. It rises when a
// field changes its meaning or goes; new fields may come without.
const DocumentVersion = 1

// Document is the results as JSON.
type Document struct {
	Version int             `json:"version"`
	Time    time.Time       `json:"time"`    // when they were found
	TookMS  float64         `json:"took_ms"` // to look
	State   health.State    `json:"state"`   // the worst of the results
	Exit    int             `json:"exit"`    // the exit status
	Results []health.Result `json:"results"`
}

// NewDocument makes the document of results that were found at a time.
func NewDocument(results []health.Result, at time.Time, took time.Duration) Document {
	worst := health.Worst(results)
	return Document{
		Version: DocumentVersion, Time: at.UTC(), TookMS: ui.Milliseconds(took),
		State: worst, Exit: int(worst), Results: append([]health.Result{}, results...),
	}
}
