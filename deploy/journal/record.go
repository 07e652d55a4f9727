package journal

import (
	"slices"
)

// Record writes the line once, however often a crash has it tried.
func Record(file string, event Event) error {
	history, err := History(file)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(history, func(e Event) bool { return e.ID == event.ID && e.Undone == event.Undone }) {
		return nil
	}
	return Append(file, event)
}
