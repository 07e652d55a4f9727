package agent

import (
	"context"
	"fmt"
	"net"
	"time"

	"relink/deploy/fleet/admin"
	"relink/deploy/fleet/ca"
	"relink/deploy/fleet/enroll"

	"golang.org/x/sync/errgroup"
)

// lookAgain is how often the time that this host's certificate has left is looked at: it is
// renewed when a month is, so that the authority may be away for weeks.
const lookAgain = time.Hour

// keepCertificate renews this host's certificate before it ends. One that relink has not
// given, without fleet.listen and fleet.renew, is somebody else's to renew.
func (a *agent) keepCertificate(ctx context.Context) error {
	if a.Fleet.Listen == "" && a.Fleet.Renew == "" {
		return nil
	}
	for {
		renewed, err := enroll.Renew(ctx, ca.Folder(a.Fleet.Dir), a.Fleet.Renew)
		if ctx.Err() != nil {
			return nil
		}
		text := ""
		if err != nil {
			text = err.Error()
			a.Log.Error().Err(err).Msg("the certificate of this host")
		}
		if renewed {
			a.Log.Info().Msg("the certificate of this host was renewed")
		}
		a.mu.Lock()
		news := a.problem != text
		a.problem = text
		a.mu.Unlock()
		if news {
			a.stir()
		}
		select {
		case <-time.After(lookAgain):
		case <-ctx.Done():
			return nil
		}
	}
}

// permitAgain is between two tries to give hosts their role in etcd.
const permitAgain = 10 * time.Second

// admit answers hosts that join or renew, where the configuration says so. No port is opened
// else.
func (a *agent) admit(ctx context.Context) error {
	if a.Fleet.Listen == "" {
		return nil
	}
	folder := ca.Folder(a.Fleet.Dir)
	if _, err := folder.Authority(); err != nil {
		return fmt.Errorf("fleet.listen: %w", err)
	}
	listener, err := net.Listen("tcp", a.Fleet.Listen)
	if err != nil {
		return fmt.Errorf("fleet.listen: %w", err)
	}
	s := &enroll.Admission{Folder: folder, Fleet: a.Fleet.Name, Endpoints: a.Etcd.Endpoints, Log: a.Log}
	if !admin.Is(a.Fleet) {
		return s.Serve(ctx, listener)
	}
	later := make(chan struct{}, 1)
	s.Admitted = func(ctx context.Context, host string) {
		if err := a.permit(ctx, host); err != nil {
			select { // the host joins all the same
			case later <- struct{}{}:
			default:
			}
		}
	}
	s.Enlist = func(ctx context.Context, host string, asked enroll.Membership) (m enroll.Member, err error) {
		err = admin.With(ctx, a.Fleet, func(root *admin.Admin) error {
			m, err = root.Enlist(ctx, host, asked)
			return err
		})
		return m, err
	}
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.Serve(ctx, listener) })
	group.Go(func() error { return a.keepPermitted(ctx, later) })
	return group.Wait()
}

// permit gives hosts their role in etcd.
func (a *agent) permit(ctx context.Context, hosts ...string) error {
	return admin.With(ctx, a.Fleet, func(root *admin.Admin) error { return root.Permit(ctx, hosts...) })
}

// keepPermitted gives all hosts that have joined their role in etcd, until it has: one may
// have joined while etcd was away.
func (a *agent) keepPermitted(ctx context.Context, again <-chan struct{}) error {
	told := false
	for ctx.Err() == nil {
		hosts, err := ca.Folder(a.Fleet.Dir).Names()
		if err == nil {
			err = a.permit(ctx, hosts...)
		}
		if err == nil {
			told = false
			select {
			case <-again:
			case <-ctx.Done():
			}
			continue
		}
		if !told && ctx.Err() == nil {
			a.Log.Warn().Err(err).Msg("hosts that have joined may lack their role in etcd; they get it as soon as that answers")
			told = true
		}
		select {
		case <-time.After(permitAgain):
		case <-ctx.Done():
		}
	}
	return nil
}
