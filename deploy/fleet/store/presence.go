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

// ErrNameTaken: another machine is in the fleet under the same name.
var ErrNameTaken = errors.New("the name is taken")

// Presence is this host's lease: the fleet sees it until that ends.
type Presence struct {
	store   *Store
	session *concurrency.Session
	name    string
}

// Arrive begins it, and ends what an earlier run of the same installation has left.
func (s *Store) Arrive(ctx context.Context, h fleet.Host, lease time.Duration) (*Presence, error) {
	asked, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	got, err := s.client.Get(asked, s.hostKey(h.Name))
	if err != nil {
		return nil, away(err)
	}
	var revision int64
	if len(got.Kvs) > 0 {
		var there fleet.Host
		if json.Unmarshal(got.Kvs[0].Value, &there) == nil && there.ID != h.ID {
			return nil, hint.With(fmt.Errorf("host %s: %w by another machine", h.Name, ErrNameTaken), "give each host its own fleet.host")
		}
		revision = got.Kvs[0].ModRevision
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
	return p, nil
}

// Tell replaces what this host says of itself.
func (p *Presence) Tell(ctx context.Context, h fleet.Host) error {
	return p.store.put(ctx, p.store.hostKey(p.name), h, clientv3.WithLease(p.session.Lease()))
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
		return unlessEnded(ctx, err)
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
