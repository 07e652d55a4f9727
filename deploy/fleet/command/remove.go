package command

import (
	"context"
	"fmt"
	"slices"

	"relink/deploy/fleet/admin"
	"relink/deploy/fleet/ca"
	"relink/internal/exit"
	"relink/internal/hint"
)

// remove takes a host out of the fleet. On the host with the authority its certificate is not
// renewed any more, and its role in etcd is taken from it.
func (s *session) remove(ctx context.Context) error {
	view, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	name, folder := s.Args().First(), ca.Folder(s.fleet.Dir)
	_, member := view.Members[name]
	if !member && (!folder.HasAuthority() || !folder.Known(name)) {
		return exit.Usagef("no host %q is in the fleet", name)
	}
	if name == s.fleet.Host && folder.HasAuthority() {
		return exit.Usagef("%s has the authority of the fleet", name)
	}
	for app, at := range view.Apps { // its word may be what the rollout waits for
		if r := at.Rollout; r != nil && !r.Ended && slices.Contains(r.Hosts, name) {
			return hint.With(fmt.Errorf("%s is part of rollout %s of %s, which has not ended", name, r.ID, app), "wait for its end: relink fleet status --app %s", app)
		}
	}
	barred, err := s.bar(ctx, name)
	if err != nil {
		return err
	}
	if _, there := view.Hosts[name]; there && !barred {
		return hint.With(fmt.Errorf("%s is there: its agent would join again", name),
			"stop the agent first (systemctl disable --now relink-agent); once etcd asks hosts who they are (relink fleet protect), it can be kept out from the host with the authority")
	}
	if folder.HasAuthority() {
		if err := folder.Forget(name); err != nil {
			return err
		}
	}
	return s.store.Remove(ctx, name)
}

// bar takes the host's role from it, where it has one.
func (s *session) bar(ctx context.Context, name string) (barred bool, err error) {
	if !admin.Is(s.fleet) {
		return false, nil
	}
	err = admin.With(ctx, s.fleet, func(a *admin.Admin) error {
		if err := a.Discharge(ctx, name); err != nil {
			return err
		}
		barred, err = a.Bar(ctx, name)
		return err
	})
	return barred, err
}
