// Package store keeps in etcd what a fleet agrees on, and tells every change of it.
//
//	/relink/FLEET/apps/APP          fleet.State
//	/relink/FLEET/votes/APP/HOST    fleet.Vote, of the last rollout that the host was part of
//	/relink/FLEET/hosts/HOST        fleet.Host, under the lease of its agent
//	/relink/FLEET/members/HOST      fleet.Host as it arrived last: who belongs to the fleet
//	/relink/FLEET/contents/APP/HOST what a host has prepared, where contents differ; for minutes
//	/relink/FLEET/history/APP/ID    fleet.Rollout, of the last keptHistory that have ended
//	/relink/FLEET/steward/...       etcd's election of the agent that decides
package store

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/deploy/fleet"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/tlsfiles"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// callTime bounds each question to etcd.
const callTime = 5 * time.Second

// ErrChanged: somebody else has written meanwhile.
var ErrChanged = errors.New("the fleet has decided something else meanwhile")

// Store is one fleet's keys.
type Store struct {
	client *clientv3.Client
	prefix string
}

// mostAnswer is more than a view of 10,000 hosts takes, in bytes.
const mostAnswer = 64 << 20

// Open knows the way to etcd; whether that answers the first question tells. Of an answer of
// etcd's it reads at most 64 MiB. All that is asked ends at the latest callTime after ctx, so
// that what is left to say then has its time, and no more where etcd is away.
func Open(ctx context.Context, f config.Fleet) (*Store, error) {
	c := clientv3.Config{
		Context:   outlasting(ctx),
		Endpoints: f.Etcd.Endpoints, DialTimeout: callTime, Logger: zap.NewNop(),
		DialKeepAliveTime: f.Lease / 2, DialKeepAliveTimeout: f.Lease / 2, MaxCallRecvMsgSize: mostAnswer,
		DialOptions: []grpc.DialOption{grpc.WithConnectParams(reconnect), grpc.WithChainUnaryInterceptor(tellWhy)},
	}
	if f.Etcd.Cert != "" {
		var err error
		if c.TLS, err = mutual(f.Etcd); err != nil {
			return nil, fmt.Errorf("fleet.etcd: %w", err)
		}
	}
	client, err := clientv3.New(c)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return &Store{client: client, prefix: "/relink/" + f.Name + "/"}, nil
}

// outlasting ends callTime after ctx.
func outlasting(ctx context.Context) context.Context {
	longer, cancel := context.WithCancel(context.WithoutCancel(ctx))
	context.AfterFunc(ctx, func() { time.AfterFunc(callTime, cancel) })
	return longer
}

// Close ends all that was asked.
func (s *Store) Close() error { return s.client.Close() }

// mutual reads the certificate and its key, of 1 MiB at most, anew for each connection: they
// are renewed while agents run.
func mutual(e config.Etcd) (*tls.Config, error) {
	roots, err := tlsfiles.Authorities(e.CA)
	if err != nil {
		return nil, err
	}
	if _, err := tlsfiles.Pair(e.Cert, e.Key); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			pair, err := tlsfiles.Pair(e.Cert, e.Key)
			return &pair, err
		},
	}, nil
}

func (s *Store) appKey(app string) string        { return s.prefix + "apps/" + app }
func (s *Store) voteKey(app, host string) string { return s.prefix + "votes/" + app + "/" + host }
func (s *Store) hostKey(host string) string      { return s.prefix + "hosts/" + host }
func (s *Store) memberKey(host string) string    { return s.prefix + "members/" + host }
func (s *Store) contentsKey(app, host string) string {
	return s.prefix + "contents/" + app + "/" + host
}
func (s *Store) historyKey(app, id string) string { return s.prefix + "history/" + app + "/" + id }
func (s *Store) electionKey() string              { return s.prefix + "steward" }

// State is what the fleet agrees on for an application, and its revision, 0 where nothing
// was agreed on yet.
func (s *Store) State(ctx context.Context, app string) (state fleet.State, revision int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	got, err := s.client.Get(ctx, s.appKey(app))
	if err != nil {
		return state, 0, away(err)
	}
	if len(got.Kvs) == 0 {
		return state, 0, nil
	}
	state, err = readState(got.Kvs[0].Value)
	return state, got.Kvs[0].ModRevision, err
}

// errNotUnderstood: a later relink has written it, or a person.
var errNotUnderstood = errors.New("what the fleet has agreed on is not understood")

// readState refuses what nobody could act on.
func readState(value []byte) (state fleet.State, err error) {
	if err = json.Unmarshal(value, &state); err == nil {
		err = state.Validate()
	}
	if err != nil {
		return fleet.State{}, hint.With(fmt.Errorf("%w: %w", errNotUnderstood, err), "have the same relink on all hosts (relink --version)")
	}
	return state, nil
}

// Replace writes a state where it is still the one of that revision: nobody decides on what
// is past. guards have to hold too.
func (s *Store) Replace(ctx context.Context, app string, next fleet.State, revision int64, guards ...clientv3.Cmp) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	text, err := json.Marshal(next)
	if err != nil {
		return err
	}
	writes := []clientv3.Op{clientv3.OpPut(s.appKey(app), string(text))}
	if r := next.Rollout; r != nil && r.Ended {
		record, err := json.Marshal(r)
		if err != nil {
			return err
		}
		writes = append(writes, clientv3.OpPut(s.historyKey(app, r.ID), string(record)))
		past, err := s.pastHistory(ctx, app, r.ID)
		if err != nil {
			return err
		}
		writes = append(writes, past...)
	}
	guards = append(guards, clientv3.Compare(clientv3.ModRevision(s.appKey(app)), "=", revision))
	done, err := s.client.Txn(ctx).If(guards...).Then(writes...).Commit()
	switch {
	case err != nil:
		return away(err)
	case !done.Succeeded:
		return ErrChanged
	}
	return nil
}

// keptHistory is how many rollouts of an application the history has at most.
const keptHistory = 200

// pastHistory removes what is too old once one more rollout is written.
func (s *Store) pastHistory(ctx context.Context, app, next string) ([]clientv3.Op, error) {
	got, err := s.client.Get(ctx, s.historyKey(app, ""), clientv3.WithPrefix(), clientv3.WithKeysOnly(),
		clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend), clientv3.WithLimit(keptHistory))
	if err != nil {
		return nil, away(err)
	}
	if len(got.Kvs) < keptHistory {
		return nil, nil
	}
	oldest := string(got.Kvs[keptHistory-1].Key)
	if s.historyKey(app, next) <= oldest { // of a clock that was set back; one transaction does not write and remove a key
		return nil, nil
	}
	return []clientv3.Op{clientv3.OpDelete(s.historyKey(app, ""), clientv3.WithRange(oldest+"\x00"))}, nil
}

// Change writes what becomes of the state of an application, whatever others write meanwhile;
// where change says so, nothing does.
func (s *Store) Change(ctx context.Context, app string, change func(fleet.State) (next fleet.State, changed bool)) error {
	for {
		state, revision, err := s.State(ctx, app)
		if err != nil {
			return err
		}
		next, changed := change(state)
		if !changed {
			return nil
		}
		if err := s.Replace(ctx, app, next, revision); !errors.Is(err, ErrChanged) {
			return err
		}
	}
}

// VoteOf is what a host has said last.
func (s *Store) VoteOf(ctx context.Context, app, host string) (v fleet.Vote, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	got, err := s.client.Get(ctx, s.voteKey(app, host))
	if err == nil && len(got.Kvs) > 0 && json.Unmarshal(got.Kvs[0].Value, &v) != nil {
		v = fleet.Vote{} // of a later relink: as if nothing was said
	}
	return v, away(err)
}

// Steward is the host that decides now; "" for none.
func (s *Store) Steward(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	got, err := s.client.Get(ctx, s.electionKey()+"/", clientv3.WithFirstCreate()...)
	if err != nil || len(got.Kvs) == 0 {
		return "", away(err)
	}
	return string(got.Kvs[0].Value), nil
}

// History lists the rollouts of an application that have ended, the newest first, at most
// so many.
func (s *Store) History(ctx context.Context, app string, most int) ([]fleet.Rollout, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	got, err := s.client.Get(ctx, s.historyKey(app, ""), clientv3.WithPrefix(),
		clientv3.WithSort(clientv3.SortByKey, clientv3.SortDescend), clientv3.WithLimit(int64(most)))
	if err != nil {
		return nil, away(err)
	}
	past := []fleet.Rollout{}
	for _, kv := range got.Kvs {
		var r fleet.Rollout
		if json.Unmarshal(kv.Value, &r) == nil { // else it is of a later relink
			past = append(past, r)
		}
	}
	return past, nil
}

// shown is how long a list of contents stays in etcd.
const shown = 10 * time.Minute

// Show puts a list of contents there for a while: of at most MostShown bytes.
func (s *Store) Show(ctx context.Context, app, host string, list []byte) error {
	granted, err := s.client.Grant(ctx, int64(shown.Seconds()))
	if err == nil {
		_, err = s.client.Put(ctx, s.contentsKey(app, host), string(list), clientv3.WithLease(granted.ID))
	}
	return away(err)
}

// MostShown is what etcd takes under one key, with room to spare.
const MostShown = 1 << 20

// Shown is what a host has shown; nil for nothing.
func (s *Store) Shown(ctx context.Context, app, host string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	got, err := s.client.Get(ctx, s.contentsKey(app, host))
	if err != nil || len(got.Kvs) == 0 {
		return nil, away(err)
	}
	return got.Kvs[0].Value, nil
}

// Remove takes a host out of the fleet that is not coming back, with all that it has said.
func (s *Store) Remove(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	said, err := s.client.Get(ctx, s.prefix+"votes/", clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return away(err)
	}
	removed := []clientv3.Op{clientv3.OpDelete(s.memberKey(host)), clientv3.OpDelete(s.hostKey(host))}
	for _, vote := range said.Kvs {
		app, by, _ := strings.Cut(strings.TrimPrefix(string(vote.Key), s.prefix+"votes/"), "/")
		if by == host {
			removed = append(removed, clientv3.OpDelete(s.voteKey(app, host)), clientv3.OpDelete(s.contentsKey(app, host)))
		}
	}
	for some := range slices.Chunk(removed, mostWrites) {
		if _, err := s.client.Txn(ctx).Then(some...).Commit(); err != nil {
			return away(err)
		}
	}
	return nil
}

// mostWrites is what etcd takes in one transaction (--max-txn-ops), with room to spare.
const mostWrites = 100
