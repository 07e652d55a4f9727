package agent

import (
	"context"
	"fmt"
	"net"
	"time"

	"relink/deploy/fleet/ca"
	"relink/deploy/fleet/enroll"
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
	return s.Serve(ctx, listener)
}
