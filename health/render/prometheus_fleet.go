package render

import (
	"relink/deploy/fleet"
	"relink/health"
	"relink/internal/metrics"
)

var (
	metricFleetUp      = names.New("fleet_up", "Whether etcd tells what the fleet says.")
	metricFleetSteward = names.New("fleet_steward", "Whether a host decides: without one no rollout goes on.")
	metricHostPresent  = names.New("fleet_host_present", "Whether the host's agent is in the fleet.", "host")
	metricHostReady    = names.New("fleet_host_ready", "Whether the host's /readyz says that it may get visitors.", "host")
	metricHostOnWanted = names.New("fleet_host_on_wanted", "Whether the host is on the release that it is to be on, or takes part in a rollout; not told of one that is away.", "app", "host")
	metricPhase        = names.New("fleet_rollout_phase", "1 for the phase of the rollout that is under way; 0 for all where none is.", "app", "phase")
	metricStage        = names.New("fleet_rollout_hosts", "Hosts of the rollout that is under way, by how far they have come.", "app", "stage")
	metricStarted      = names.New("fleet_rollout_start_time_seconds", "When the last rollout was asked for, Unix time by the clock of that host.", "app")
	metricPaused       = names.New("fleet_paused", "Whether rollouts are kept from beginning.", "app")
)

var phases = []fleet.Phase{fleet.Preparing, fleet.Switching, fleet.Done, fleet.Back}

// collectFleet tells nothing of hosts while etcd does not: others of them may know better.
func collectFleet(send metrics.Sink, f *health.Fleet) {
	if f == nil {
		return
	}
	send.Flag(metricFleetUp, f.Err == nil)
	if f.Err != nil {
		return
	}
	send.Flag(metricFleetSteward, f.Steward != "")
	hosts := map[string]fleet.Standing{}
	for _, app := range f.Apps {
		for _, h := range app.Hosts {
			hosts[h.Name] = h
			if h.There {
				send.Flag(metricHostOnWanted, h.State != fleet.Behind, app.App, h.Name)
			}
		}
		collectRollout(send, app)
	}
	for name, h := range hosts { // the same with each application
		send.Flag(metricHostPresent, h.There, name)
		send.Flag(metricHostReady, h.Ready, name)
	}
}

func collectRollout(send metrics.Sink, app fleet.Overview) {
	send.Flag(metricPaused, app.Paused != nil, app.App)
	r := app.UnderWay()
	for _, phase := range phases {
		send.Flag(metricPhase, r != nil && r.Phase == phase, app.App, string(phase))
	}
	for _, c := range app.Counts() {
		if r == nil {
			c.Hosts = 0
		}
		send.Gauge(metricStage, float64(c.Hosts), app.App, string(c.Stage))
	}
	if app.Rollout != nil {
		send.Time(metricStarted, app.Rollout.Started, app.App)
	}
}
