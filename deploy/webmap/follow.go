package webmap

import (
	"maps"

	"relink/deploy/apps"
	"relink/deploy/moves"
)

// PrepareFor writes the map as it will be once the plan is carried out, under a
// temporary name; nil where the application has none.
func PrepareFor(app apps.App, plan moves.Plan) (*Staged, error) {
	if app.Map == "" {
		return nil, nil
	}
	released, moving := app.LinkedReleases(), plan.ByInstance()
	for i, instance := range app.Instances {
		if move, moves := moving[instance.Name]; moves {
			released[i] = move.To.Release
		}
	}
	return Prepare(app.Map, Of(app, released))
}

// FollowLinks makes the map say what the links say: they are the truth.
func FollowLinks(app apps.App) error {
	if app.Map == "" {
		return nil
	}
	wanted := Of(app, app.LinkedReleases())
	if now, readErr := Read(app.Map); readErr == nil && maps.Equal(now, wanted) {
		return nil
	}
	return Write(app.Map, wanted)
}
