package php

import (
	"context"
	"errors"
	"fmt"
	"path"

	"relink/fcgi"
	"relink/internal/envelope"
	"relink/internal/hint"
	"relink/php/probe"
)

// ThroughDoor gives an agent that runs the same file through the web server. That
// is how workers are reached which take no FastCGI connection from elsewhere: the
// processes of mod_php, and PHP-FPM's workers that a persistent connection pins.
func (a *Agent) ThroughDoor(d probe.Door) *Agent {
	through := *a
	through.door = &d
	return &through
}

func (a *Agent) throughDoor(ctx context.Context, op, nonce string, body []byte) ([]byte, error) {
	response, status, err := a.door.Call(ctx, op, nonce, path.Base(a.script), body)
	if err != nil {
		return nil, a.refusedAtDoor(err)
	}
	payload, err := envelope.Agent.Open(response, nonce)
	if err != nil {
		return nil, a.refused(fcgi.Response{}, fmt.Errorf("status %d: %w", status, err))
	}
	return payload, nil
}

// refusedAtDoor names the cause for which the agent did not run by the names that
// it has in a pool.
func (a *Agent) refusedAtDoor(err error) error {
	var refused *probe.Refused
	if !errors.As(err, &refused) {
		return a.refused(fcgi.Response{}, err)
	}
	switch refused.Reason {
	case "open_basedir":
		return hint.With(fmt.Errorf("%w: %w", ErrOpenBasedir, err),
			"add %s to open_basedir of this site, or set agent_dir to a folder inside it", path.Dir(refused.File))
	case "unreadable":
		return hint.With(fmt.Errorf("%w: %w", ErrAgentUnreadable, err), "let the user of the web server's PHP read %s", refused.File)
	case "missing":
		return hint.With(fmt.Errorf("%w: %w", ErrAgentNotVisible, err),
			"set agent_dir to a folder that the PHP of this site can read, then deploy once: the probe of each release knows the agent_dir of its own deploy")
	}
	return fmt.Errorf("%w: %w", ErrAgentFailed, err)
}
