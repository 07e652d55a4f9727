package deploy

import (
	"relink/deploy/journal"
	"slices"
)

// record writes the line once, however often a crash has it tried.
func record(file string, event journal.Event) error {
	history, err := journal.History(file)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(history, func(e journal.Event) bool { return e.ID == event.ID && e.Undone == event.Undone }) {
		return nil
	}
	return journal.Append(file, event)
}
