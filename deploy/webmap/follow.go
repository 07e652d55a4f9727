package webmap

import (
	"maps"

	"relink/deploy/apps"
	"relink/deploy/moves"
	"relink/internal/config"
)

// PrepareFor writes the map as it will be once the plan is carried out, under a
// temporary name; nil where the application has none.
func PrepareFor(app apps.App, plan moves.Plan) (*Staged, error) {
	if app.Map == "" {
		return nil, nil
	}
	return Prepare(app.Map, Of(app, func(i config.Instance) string {
		if move := moves.MoveIn(plan, i.Name); move.Instance != "" {
			return move.To.Release
		}
		return app.LinkedRelease(i)
	}))
}

// FollowLinks makes the map say what the links say: they are the truth.
func FollowLinks(app apps.App) error {
	if app.Map == "" {
		return nil
	}
	wanted := Of(app, app.LinkedRelease)
	if now, readErr := Read(app.Map); readErr == nil && maps.Equal(now, wanted) {
		return nil
	}
	return Write(app.Map, wanted)
}
