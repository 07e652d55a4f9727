package deploy

import (
	"maps"

	"relink/deploy/moves"
	"relink/deploy/webmap"
	"relink/internal/config"
)

// prepareMap writes the map as it will be, under a temporary name.
func (r *run) prepareMap(plan moves.Plan) (*webmap.Staged, error) {
	if r.App.Map == "" {
		return nil, nil
	}
	return webmap.Prepare(r.App.Map, webmap.Of(r.App, func(i config.Instance) string {
		if move := moves.MoveIn(plan, i.Name); move.Instance != "" {
			return move.To.Release
		}
		return r.App.LinkedRelease(i)
	}))
}

// switchMap puts the new map in place, after the links, which are for shells and
// cron: where the web server goes by the map this is the cut-over, of all
// instances at once, and what fails before it has changed nothing that serves.
func (r *run) switchMap(staged *webmap.Staged) error {
	if err := staged.Commit(); err != nil {
		return err
	}
	r.Reached("moved the map")
	return nil
}

// mapFromLinks makes the map say what the links say: they are the truth.
func (r *run) mapFromLinks() error {
	if r.App.Map == "" {
		return nil
	}
	wanted := webmap.Of(r.App, r.App.LinkedRelease)
	if now, readErr := webmap.Read(r.App.Map); readErr == nil && maps.Equal(now, wanted) {
		return nil
	}
	return webmap.Write(r.App.Map, wanted)
}
