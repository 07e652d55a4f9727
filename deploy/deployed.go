package deploy

import "relink/opcache"

// Deployed lists the deploys of an application that left links moved, oldest
// first, as the forecast of "relink opcache report" wants them.
func Deployed(state, app string) ([]opcache.Deployed, error) {
	events, err := readHistory(App{Name: app, State: state}.historyFile())
	var all []opcache.Deployed
	for _, event := range events {
		if event.Operation == OperationDeploy && event.Moved() {
			all = append(all, opcache.Deployed{Time: event.Time, Release: event.Release})
		}
	}
	return all, err
}
