package serve

import (
	"context"
	"net"
	"time"
)

// Notify tells the service manager how the service does (sd_notify(3)). The zero
// value tells nobody.
type Notify struct {
	Socket   string        // $NOTIFY_SOCKET: a path, or a name that begins with @
	Watchdog time.Duration // $WATCHDOG_USEC; 0: none is kept
}

// send is one datagram.
func (n Notify) send(state string) error {
	if n.Socket == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: n.Socket, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	_, err = conn.Write([]byte(state))
	return err
}

// notifyLoop says READY once there is something to tell, and feeds the watchdog
// for as long as the sampler goes on: twice as often as it must, as
// sd_watchdog_enabled(3) recommends.
func (s *service) notifyLoop(ctx context.Context) error {
	select {
	case <-s.sampler.first:
		s.tell("READY=1\nSTATUS=" + s.sampler.current().status())
	case <-ctx.Done():
	}
	beat := time.NewTicker(max(s.Notify.Watchdog/2, time.Millisecond))
	if s.Notify.Watchdog <= 0 {
		beat.Stop()
	}
	defer beat.Stop()
	for {
		select {
		case <-beat.C:
			if s.sampler.alive(time.Now()) {
				s.tell("WATCHDOG=1\nSTATUS=" + s.sampler.current().status())
			}
		case <-ctx.Done():
			s.tell("STOPPING=1")
			return nil
		}
	}
}

func (s *service) tell(state string) {
	if err := s.Notify.send(state); err != nil {
		s.Log.Warn().Err(err).Msg("the service manager cannot be told")
	}
}
