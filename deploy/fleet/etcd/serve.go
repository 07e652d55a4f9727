package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"relink/deploy/fleet/admin"
	"relink/deploy/fleet/enroll"
	"relink/internal/durable"
	"relink/internal/hint"

	"go.etcd.io/etcd/server/v3/embed"
)

// initialize makes a fleet's etcd of one member. It is there whole, and lets hosts reach only
// what is the fleet's, or not at all.
func initialize(ctx context.Context, m member) error {
	if err := m.check(); err != nil {
		return err
	}
	if _, err := m.folder().Authority(); err != nil {
		return err
	}
	if m.hasData() {
		return hint.With(fmt.Errorf("%s has the data of a member already; nothing was changed", m.data), "systemctl enable --now relink-etcd")
	}
	if err := errors.Join(os.RemoveAll(m.begun()), os.RemoveAll(m.present())); err != nil {
		return err
	}
	hosts, err := m.folder().Names()
	if err != nil {
		return err
	}
	client := m.url(clientPort)
	only := m.Fleet
	only.Etcd.Endpoints = []string{client.String()}
	err = m.once(ctx, m.settings(m.begun(), m.Host+"="+m.peer(), embed.ClusterStateFlagNew, quietly()), func() error {
		return admin.With(ctx, only, func(root *admin.Admin) error { return root.Protect(ctx, hosts) })
	})
	if err != nil {
		return errors.Join(err, os.RemoveAll(m.begun()))
	}
	if err := errors.Join(os.Rename(m.begun(), m.present()), durable.SyncDir(m.data)); err != nil {
		return err
	}
	_, err = fmt.Fprintf(m.out, "The data of the first member is in %s. Hosts reach what is below /relink/%s/, and nothing else.\nNow: systemctl enable --now relink-etcd\nOne member is as safe as its host, and two are less safe: both have to be there. With three, one may be lost.\n", m.data, m.Name)
	return err
}

// alone makes this the only member.
func alone(ctx context.Context, m member) error {
	if err := m.check(); err != nil {
		return err
	}
	if !m.hasData() {
		return fmt.Errorf("%s has no data of a member", m.data)
	}
	c := m.settings(m.present(), m.Host+"="+m.peer(), embed.ClusterStateFlagExisting, quietly())
	c.ForceNewCluster = true
	if err := m.once(ctx, c, func() error { return nil }); err != nil {
		return err
	}
	_, err := fmt.Fprintf(m.out, "%s is the only member of etcd. Now: systemctl start relink-etcd; the other hosts join anew once their data is removed.\n", m.Host)
	return err
}

// quietly is for what ends at once, whose errors are told by whoever has begun it.
func quietly() <-chan struct{} {
	closed := make(chan struct{})
	close(closed)
	return closed
}

// once runs a member for as long as something takes.
func (m member) once(ctx context.Context, c *embed.Config, do func() error) error {
	etcd, err := start(ctx, c)
	if err != nil {
		return err
	}
	defer etcd.Close()
	return do()
}

// start returns when the member is one, and has what etcd's majority knows.
func start(ctx context.Context, c *embed.Config) (*embed.Etcd, error) {
	etcd, err := embed.StartEtcd(c)
	if err != nil {
		return nil, explained(fmt.Errorf("start etcd: %w", err))
	}
	select {
	case <-etcd.Server.ReadyNotify():
		return etcd, nil
	case <-etcd.Server.StopNotify():
		err = errRemoved
	case err = <-etcd.Err():
	case <-ctx.Done():
		err = ctx.Err()
	}
	etcd.Close()
	return nil, err
}

// serve is a member until ctx ends, which is no error.
func serve(ctx context.Context, m member) error {
	if err := m.check(); err != nil {
		return err
	}
	cluster, began := m.Host+"="+m.peer(), time.Now()
	if !m.hasData() {
		asked, err := m.join(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return hint.With(fmt.Errorf("%s has no data, and %s cannot be a member: %w", m.data, m.Host, err),
				"the first member's is made by relink-etcd init; for others the agent of the host with the authority has to run, and an etcd that it reaches")
		}
		if err := os.RemoveAll(m.present()); err != nil { // what an interrupted start has left
			return err
		}
		cluster = asked.Cluster
	}
	etcd, err := start(ctx, m.settings(m.present(), cluster, embed.ClusterStateFlagExisting, ctx.Done()))
	switch {
	case ctx.Err() != nil:
		return nil
	case errors.Is(err, errRemoved):
		return hint.With(err, "remove %s, and it joins anew", m.present())
	case err != nil:
		return err
	}
	defer etcd.Close()
	m.log.Info().Str("host", m.Host).Stringer("in", time.Since(began).Round(time.Millisecond)).Msg("a member of the fleet's etcd")
	if err := m.vote(ctx, etcd); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-etcd.Err():
		return err
	case <-etcd.Server.StopNotify():
		return hint.With(errRemoved, "remove %s, and it joins anew", m.present())
	}
}

// joinTime is how long it asks to be a member: the others take none while they are not well, or
// have just taken one.
const joinTime = 30 * time.Second

func (m member) join(ctx context.Context) (asked enroll.Member, err error) {
	for end := time.Now().Add(joinTime); ; {
		asked, err = m.ask(ctx, true)
		if err == nil || time.Now().After(end) {
			return asked, err
		}
		m.log.Info().Err(err).Msg("no member yet; asking again")
		select {
		case <-time.After(askAgain):
		case <-ctx.Done():
			return asked, ctx.Err()
		}
	}
}

// askAgain is between two tries of a member to get its vote.
const askAgain = time.Second

// vote waits until the member has a vote: it asks for that until it has learnt all.
func (m member) vote(ctx context.Context, etcd *embed.Etcd) error {
	told := ""
	for etcd.Server.IsLearner() {
		asked, err := m.ask(ctx, false)
		switch {
		case err != nil && ctx.Err() == nil && err.Error() != told:
			told = err.Error()
			m.log.Warn().Err(err).Msg("no vote yet; etcd is no safer by this member until it has one")
		case err == nil && !asked.Learner:
			m.log.Info().Str("endpoints", strings.Join(asked.Endpoints, " ")).Msg("a member with a vote; each host's fleet.etcd should name all endpoints")
		}
		select {
		case <-time.After(askAgain):
		case <-etcd.Server.StopNotify():
			return nil
		case <-ctx.Done():
			return nil
		}
	}
	return nil
}

// ask asks the host with the authority, which may be this one.
func (m member) ask(ctx context.Context, fresh bool) (enroll.Member, error) {
	at := m.Renew
	if at == "" {
		at = m.Listen
	}
	if at == "" {
		return enroll.Member{}, errors.New("fleet.renew names no host with the authority")
	}
	return enroll.AskMember(ctx, m.folder(), at, enroll.Membership{Peer: m.peer(), Fresh: fresh})
}
