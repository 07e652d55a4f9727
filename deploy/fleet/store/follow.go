package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"relink/deploy/fleet"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
)

// View is the whole of a fleet at one revision. Its maps are the receiver's.
type View struct {
	Revision int64
	cluster  uint64                // of etcd: one that was made anew counts revisions anew
	Members  map[string]fleet.Host // who belongs to the fleet
	Hosts    map[string]fleet.Host // and is there
	Apps     map[string]At
	Votes    map[string]map[string]fleet.Vote // by application and host

	candidates map[string]candidate // for the steward, by their keys
}

// candidate is a host that waits to be the steward: the first that came is it.
type candidate struct {
	host     string
	revision int64
}

// At is the state of one application, and the revision at which it was written.
type At struct {
	fleet.State
	Revision int64

	// Unread is why what etcd has now cannot be understood. The state is the last one that
	// could be, at revision 0 where none could.
	Unread error
}

// Part is what is followed.
type Part string

const (
	Apps       Part = "apps/" // what is wanted, all that a host needs
	Everything Part = ""
)

// Follow tells the view, and each later one, until ctx ends, which is no error. Where etcd
// cannot be reached, or this client has been cut off from its quorum, it ends with ErrAway;
// with ErrSetBack where etcd has been made anew.
func (s *Store) Follow(ctx context.Context, part Part, tell func(View)) error {
	v, err := s.read(ctx, part)
	if err != nil {
		return unlessEnded(ctx, err)
	}
	var newest atomic.Int64
	newest.Store(v.Revision)
	group, following := errgroup.WithContext(clientv3.WithRequireLeader(ctx))
	group.Go(func() error { return s.sameEtcd(following, v.cluster, &newest) })
	group.Go(func() error { return s.follow(following, part, v, &newest, tell) })
	return unlessEnded(ctx, group.Wait())
}

func (s *Store) follow(ctx context.Context, part Part, v View, newest *atomic.Int64, tell func(View)) error {
	tell(v.clone())
	changes := s.client.Watch(ctx, s.prefix+string(part), clientv3.WithPrefix(), clientv3.WithRev(v.Revision+1), clientv3.WithProgressNotify())
	for got := range changes {
		if err := got.Err(); err != nil {
			return away(err)
		}
		v.Revision = got.Header.Revision
		newest.Store(v.Revision)
		for _, event := range got.Events {
			v.take(strings.TrimPrefix(string(event.Kv.Key), s.prefix), event.Kv.Value, event.Kv.ModRevision, event.Type == clientv3.EventTypeDelete)
		}
		if len(got.Events) > 0 {
			tell(v.clone())
		}
	}
	return away(errors.New("the watch has ended"))
}

// ErrSetBack: etcd is not the one of before, or has gone back to a snapshot. A watch would wait
// until it has come to where the other one was.
var ErrSetBack = errors.New("etcd has been made anew, or set back to a snapshot")

// lookBack is how often that is asked.
const lookBack = 10 * time.Second

// sameEtcd ends where etcd counts its revisions anew.
func (s *Store) sameEtcd(ctx context.Context, cluster uint64, newest *atomic.Int64) error {
	ticks := time.NewTicker(lookBack)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
		known := newest.Load()
		asked, cancel := context.WithTimeout(ctx, callTime)
		got, err := s.client.Get(asked, s.prefix, clientv3.WithCountOnly())
		cancel()
		switch {
		case err != nil: // the watch sees that, and bears what is over soon
		case got.Header.ClusterId != cluster || got.Header.Revision < known:
			return ErrSetBack
		}
	}
}

// unlessEnded: what ends because its context has is no error.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// View reads all of a fleet.
func (s *Store) View(ctx context.Context) (View, error) { return s.read(ctx, Everything) }

func (s *Store) read(ctx context.Context, part Part) (View, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	v := View{Members: map[string]fleet.Host{}, Hosts: map[string]fleet.Host{}, Apps: map[string]At{}, Votes: map[string]map[string]fleet.Vote{}, candidates: map[string]candidate{}}
	parts := []Part{part}
	if part == Everything {
		parts = []Part{Apps, "votes/", "hosts/", "members/", "steward/"} // not the history
	}
	var reads []clientv3.Op
	for _, one := range parts {
		reads = append(reads, clientv3.OpGet(s.prefix+string(one), clientv3.WithPrefix()))
	}
	got, err := s.client.Txn(ctx).Then(reads...).Commit()
	if err != nil {
		return v, away(err)
	}
	v.Revision, v.cluster = got.Header.Revision, got.Header.ClusterId
	for _, response := range got.Responses {
		for _, kv := range response.GetResponseRange().Kvs {
			v.take(strings.TrimPrefix(string(kv.Key), s.prefix), kv.Value, kv.ModRevision, false)
		}
	}
	return v, nil
}

// take notes one key. What cannot be read counts as not there, but for what is agreed on: a
// later relink may write what this one does not know.
func (v *View) take(key string, value []byte, revision int64, gone bool) {
	parts := strings.Split(key, "/")
	switch {
	case parts[0] == "apps" && len(parts) == 2:
		if gone {
			delete(v.Apps, parts[1])
			return
		}
		at := v.Apps[parts[1]]
		if state, err := readState(value); err != nil {
			at.Unread = err
		} else {
			at = At{State: state, Revision: revision}
		}
		v.Apps[parts[1]] = at
	case parts[0] == "hosts" && len(parts) == 2:
		takeHost(v.Hosts, parts[1], value, gone)
	case parts[0] == "members" && len(parts) == 2:
		takeHost(v.Members, parts[1], value, gone)
	case parts[0] == "steward" && len(parts) == 2:
		if gone {
			delete(v.candidates, parts[1])
			return
		}
		v.candidates[parts[1]] = candidate{string(value), revision}
	case parts[0] == "votes" && len(parts) == 3:
		var vote fleet.Vote
		if v.Votes[parts[1]] == nil {
			v.Votes[parts[1]] = map[string]fleet.Vote{}
		}
		if gone || json.Unmarshal(value, &vote) != nil {
			delete(v.Votes[parts[1]], parts[2])
			return
		}
		v.Votes[parts[1]][parts[2]] = vote
	}
}

func takeHost(hosts map[string]fleet.Host, name string, value []byte, gone bool) {
	var host fleet.Host
	if gone || json.Unmarshal(value, &host) != nil {
		delete(hosts, name)
		return
	}
	hosts[name] = host
}

func (v *View) clone() View {
	c := *v
	c.Members, c.Hosts, c.Apps, c.Votes = maps.Clone(v.Members), maps.Clone(v.Hosts), maps.Clone(v.Apps), make(map[string]map[string]fleet.Vote, len(v.Votes))
	c.candidates = maps.Clone(v.candidates)
	for app, votes := range v.Votes {
		c.Votes[app] = maps.Clone(votes)
	}
	return c
}

// Overview is where all hosts are with an application.
func (v View) Overview(app string) fleet.Overview {
	return fleet.OverviewOf(app, v.Apps[app].State, v.Members, v.Hosts, v.Votes[app])
}

// Overviews are those of all applications that a host of the fleet has, by name.
func (v View) Overviews() []fleet.Overview {
	has := map[string]bool{}
	for name, member := range v.Members {
		if now, there := v.Hosts[name]; there {
			member = now
		}
		for app := range member.Apps {
			has[app] = true
		}
	}
	all := []fleet.Overview{}
	for _, app := range slices.Sorted(maps.Keys(has)) {
		all = append(all, v.Overview(app))
	}
	return all
}

// Steward is the host that decides now; "" for none.
func (v View) Steward() string {
	first := candidate{}
	for _, one := range v.candidates {
		if first.host == "" || one.revision < first.revision {
			first = one
		}
	}
	return first.host
}

// VotesOn are those of one rollout.
func (v View) VotesOn(app, rollout string) map[string]fleet.Vote {
	votes := map[string]fleet.Vote{}
	for host, vote := range v.Votes[app] {
		if vote.Rollout == rollout {
			votes[host] = vote
		}
	}
	return votes
}

// Again runs what ends with ErrAway once more, after a pause, until ctx ends.
func Again(ctx context.Context, pause time.Duration, failed func(error), do func(context.Context) error) error {
	for {
		err := do(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%w any more", ErrAway)
		}
		failed(err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}
