package admin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"relink/deploy/fleet/enroll"
	"relink/internal/hint"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// mostMembers are of use: each more makes every write slower, and a fleet's etcd safer than it
// has to be.
const mostMembers = 3

// Enlist has a host be a member of etcd: at first one that learns and has no vote, so that the
// others lose nothing by one that does not come, and that has its vote when it asks again and
// has learnt all.
func (a *Admin) Enlist(ctx context.Context, host string, asked enroll.Membership) (m enroll.Member, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	list, err := a.client.MemberList(ctx)
	if err != nil {
		return m, refused(err, "list its members")
	}
	members := list.Members
	own := memberOf(members, host, asked.Peer)
	switch {
	case own == nil && !asked.Fresh:
		return m, hint.With(fmt.Errorf("%s is no member of etcd any more", host), "remove its data, and it joins anew")
	case own != nil && asked.Fresh && own.Name != "": // what it had is lost: it must not vote as if it had it
		removed, err := a.client.MemberRemove(ctx, own.ID)
		if err != nil {
			return m, refused(err, "remove the member that "+host+" was")
		}
		members, own = removed.Members, nil
	}
	if own == nil {
		if len(members) >= mostMembers {
			return m, fmt.Errorf("etcd has %d members already, which is as many as are of use", len(members))
		}
		added, err := a.client.MemberAddAsLearner(ctx, []string{asked.Peer})
		if err != nil {
			return m, refused(err, "have "+host+" be a member")
		}
		members, own = added.Members, added.Member
	}
	m.Learner = own.IsLearner
	if m.Learner && !asked.Fresh {
		if m.Learner, err = a.promote(ctx, members, own.ID); err != nil {
			return m, refused(err, "give "+host+" a vote")
		}
	}
	m.Cluster, m.Endpoints = clusterOf(members, own.ID, host), endpointsOf(members)
	return m, nil
}

// memberOf is a host's own member. One that has never run has no name yet.
func memberOf(members []*etcdserverpb.Member, host, peer string) *etcdserverpb.Member {
	for _, one := range members {
		if one.Name == host || slices.Contains(one.PeerURLs, peer) {
			return one
		}
	}
	return nil
}

// clusterOf names all members, as etcd's initial-cluster.
func clusterOf(members []*etcdserverpb.Member, own uint64, host string) string {
	var all []string
	for _, one := range members {
		name := one.Name
		switch {
		case one.ID == own:
			name = host
		case name == "":
			name = fmt.Sprintf("%x", one.ID)
		}
		for _, url := range one.PeerURLs {
			all = append(all, name+"="+url)
		}
	}
	slices.Sort(all)
	return strings.Join(all, ",")
}

func endpointsOf(members []*etcdserverpb.Member) (all []string) {
	for _, one := range members {
		all = append(all, one.ClientURLs...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// promote gives a member its vote, unless it has yet to learn. The leader knows that, and it
// alone knows who asks: what it is told by others comes without a certificate.
func (a *Admin) promote(ctx context.Context, members []*etcdserverpb.Member, id uint64) (learner bool, err error) {
	at, err := a.leader(ctx, members)
	if err != nil {
		return true, err
	}
	c := a.config
	c.Endpoints = at
	leader, err := clientv3.New(c)
	if err != nil {
		return true, err
	}
	_, err = leader.MemberPromote(ctx, id)
	learner = errors.Is(err, rpctypes.ErrMemberLearnerNotReady)
	if learner {
		err = nil
	}
	return learner, errors.Join(err, leader.Close())
}

// leader is where the leader answers.
func (a *Admin) leader(ctx context.Context, members []*etcdserverpb.Member) (at []string, err error) {
	for _, url := range endpointsOf(members) {
		status, failed := a.client.Status(ctx, url)
		if failed != nil {
			err = failed
			continue
		}
		for _, one := range members {
			if one.ID == status.Leader && len(one.ClientURLs) > 0 {
				return one.ClientURLs, nil
			}
		}
	}
	return nil, errors.Join(errors.New("no member says who leads"), err)
}

// Discharge has a host be no member of etcd any more.
func (a *Admin) Discharge(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	list, err := a.client.MemberList(ctx)
	if err != nil {
		return refused(err, "list its members")
	}
	for _, one := range list.Members {
		if one.Name == host {
			_, err := a.client.MemberRemove(ctx, one.ID)
			return refused(err, "have "+host+" be no member")
		}
	}
	return nil
}
