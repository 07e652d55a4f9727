package command

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"relink/deploy/fleet/admin"
	"relink/deploy/fleet/ca"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
)

// remove takes a host out. That its certificate is not renewed any more comes first, and
// whatever the fleet says: the host may be in no fleet yet, or in it for longer than it should.
// Its role in etcd, where it has one, is taken from it.
func (s *session) remove(ctx context.Context) error {
	name := s.Args().First()
	if name != filepath.Base(name) || strings.HasPrefix(name, ".") { // it becomes the name of a file
		return exit.Usagef("%q is no name of a host", name)
	}
	folder := ca.Folder(s.fleet.Dir)
	if name == s.fleet.Host && folder.HasAuthority() {
		return exit.Usagef("%s has the authority of the fleet", name)
	}
	known := folder.HasAuthority() && folder.Known(name)
	if known {
		if err := folder.Forget(name); err != nil {
			return err
		}
		s.Screen().Line("the certificate of %s is not renewed any more", ui.Printable(name))
	}
	view, err := s.store.View(ctx)
	if err != nil {
		return err
	}
	_, member := view.Members[name]
	_, there := view.Hosts[name]
	if !member && !there && !known {
		return exit.Usagef("no host %q is in the fleet", name)
	}
	for app, at := range view.Apps { // its word may be what the rollout waits for
		if r := at.Rollout; r != nil && !r.Ended && slices.Contains(r.Hosts, name) {
			return hint.With(fmt.Errorf("%s stays in the fleet: it is part of rollout %s of %s, which has not ended", name, r.ID, app), "wait for its end: relink fleet status --app %s", app)
		}
	}
	barred, err := s.bar(ctx, name)
	if err != nil {
		return err
	}
	if err := s.store.Remove(ctx, name); err != nil {
		return err
	}
	s.Screen().Line("%s is out of the fleet", ui.Printable(name))
	if there && !barred {
		s.Screen().Line("its agent still runs, and brings it back: systemctl disable --now relink-agent there")
	}
	if !folder.HasAuthority() {
		s.Screen().Line("this host does not have the authority: run this on the one that has, or the certificate is renewed")
	}
	return nil
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
