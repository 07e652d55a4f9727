package journal

import (
	"relink/deploy/apps"
	"relink/internal/config"
)

// Deployed lists the deploys of an application that left links moved, oldest
// first.
func Deployed(state, app string) ([]Event, error) {
	events, err := History(apps.App{App: config.App{Name: app}, State: state}.HistoryFile())
	var all []Event
	for _, event := range events {
		if event.Operation == OperationDeploy && event.Moved() {
			all = append(all, event)
		}
	}
	return all, err
}

// KnownLinks are the links that deploys of an application have moved, as far as
// its history reaches back.
func KnownLinks(state, app string) ([]string, error) {
	events, err := History(HistoryFile(state, app))
	seen := map[string]bool{}
	var known []string
	for _, event := range events {
		for _, move := range event.Moves {
			if !seen[move.Link] {
				seen[move.Link] = true
				known = append(known, move.Link)
			}
		}
	}
	return known, err
}
