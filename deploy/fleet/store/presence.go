package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"relink/deploy/fleet"
	"relink/internal/hint"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

var (
	// ErrNameTaken: another machine, or another agent on this one, is in the fleet under the
	// same name.
	ErrNameTaken = errors.New("the name is taken")
	// ErrAbsent: this agent has no lease, or none any more: nothing may be said in the name of
	// the host.
	ErrAbsent = errors.New("this host is not in the fleet now")
)

// Presence is this host's lease: the fleet sees it until that ends.
type Presence struct {
	store   *Store
	session *concurrency.Session
	name    string
}

// Arrive begins it. What an earlier run of the same installation has left it ends, unless
// this run has been there before: then the other one has taken its place, and lives.
func (s *Store) Arrive(ctx context.Context, h fleet.Host, lease time.Duration, before bool) (*Presence, error) {
	asked, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	got, err := s.client.Get(asked, s.hostKey(h.Name))
	if err != nil {
		return nil, away(err)
	}
	var revision int64
	var left clientv3.LeaseID
	if len(got.Kvs) > 0 {
		var there fleet.Host
		switch known := json.Unmarshal(got.Kvs[0].Value, &there) == nil; {
		case known && there.ID != h.ID:
			return nil, hint.With(fmt.Errorf("host %s: %w by another machine", h.Name, ErrNameTaken), "give each host its own fleet.host")
		case known && before && there.Run != h.Run:
			return nil, hint.With(fmt.Errorf("host %s: %w by another agent of the same installation", h.Name, ErrNameTaken),
				"run one agent; on a machine that was made as a copy of another one, remove fleet-host.json from relink's state folder and give it its own fleet.host")
		}
		revision, left = got.Kvs[0].ModRevision, clientv3.LeaseID(got.Kvs[0].Lease)
	}
	granted, err := s.client.Grant(asked, int64(lease.Seconds()))
	if err != nil {
		return nil, away(err)
	}
	session, err := concurrency.NewSession(s.client, concurrency.WithLease(granted.ID), concurrency.WithTTL(int(lease.Seconds()))) // not with ctx, so that Leave can end it at once
	if err != nil {
		return nil, away(err)
	}
	p := &Presence{store: s, session: session, name: h.Name}
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	done, err := s.client.Txn(asked).If(clientv3.Compare(clientv3.ModRevision(s.hostKey(h.Name)), "=", revision)).
		Then(clientv3.OpPut(s.hostKey(h.Name), string(text), clientv3.WithLease(granted.ID)), clientv3.OpPut(s.memberKey(h.Name), string(text))).Commit()
	if err == nil && !done.Succeeded {
		err = ErrChanged
	}
	if err != nil {
		return nil, errors.Join(away(err), p.Leave())
	}
	if left != clientv3.NoLease { // an agent that lives sees by it that its place is taken
		_, _ = s.client.Revoke(asked, left)
	}
	return p, nil
}

// Tell replaces what this host says of itself.
func (p *Presence) Tell(ctx context.Context, h fleet.Host) error {
	return p.put(ctx, p.store.hostKey(p.name), h, clientv3.WithLease(p.session.Lease()))
}

// Vote writes what this host says of a rollout.
func (p *Presence) Vote(ctx context.Context, app string, v fleet.Vote) error {
	return p.put(ctx, p.store.voteKey(app, p.name), v)
}

// put writes while the host's place is this agent's.
func (p *Presence) put(ctx context.Context, key string, value any, options ...clientv3.OpOption) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	done, err := p.store.client.Txn(ctx).If(clientv3.Compare(clientv3.LeaseValue(p.store.hostKey(p.name)), "=", p.session.Lease())).
		Then(clientv3.OpPut(key, string(text), options...)).Commit()
	if err == nil && !done.Succeeded {
		return ErrAbsent
	}
	return away(err)
}

// Gone is closed when the lease has ended without Leave: the fleet does not see this host.
func (p *Presence) Gone() <-chan struct{} { return p.session.Done() }

// Leave ends it at once.
func (p *Presence) Leave() error { return p.session.Close() }

// Lead waits until this host is the steward, and has it decide until it is so no longer.
// guard has to hold for each decision to be written.
func (p *Presence) Lead(ctx context.Context, decide func(ctx context.Context, guard clientv3.Cmp) error) error {
	election := concurrency.NewElection(p.session, p.store.electionKey())
	if err := election.Campaign(ctx, p.name); err != nil {
		return unlessEnded(ctx, away(err))
	}
	leading, cancel := context.WithCancel(ctx)
	var watched sync.WaitGroup
	defer watched.Wait()
	defer cancel()
	watched.Go(func() {
		select {
		case <-p.session.Done():
			cancel()
		case <-leading.Done():
		}
	})
	err := decide(leading, clientv3.Compare(clientv3.CreateRevision(election.Key()), "=", election.Rev()))
	resigned, stop := context.WithTimeout(context.WithoutCancel(ctx), callTime)
	defer stop()
	return errors.Join(err, election.Resign(resigned))
}
