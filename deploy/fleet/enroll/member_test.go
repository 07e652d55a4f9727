package enroll

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"relink/deploy/fleet/ca"
)

// Only a host whose certificate says so is a member of etcd, at an address of its own, and only
// while it is of the fleet.
func TestMember(t *testing.T) {
	var told []string
	s := answering(t, func(a *Admission) {
		a.Enlist = func(_ context.Context, host string, asked Membership) (Member, error) {
			told = append(told, host+" "+asked.Peer)
			return Member{Cluster: "all", Learner: asked.Fresh}, nil
		}
	})
	authority, err := s.folder.Authority()
	s.must(err)
	join := func(name string, member bool) ca.Folder {
		given, _, err := s.folder.Offer(ca.Grant{Member: member}, time.Now())
		s.must(err)
		host := newFolder(t)
		_, err = Join(t.Context(), s.address, given, host, name)
		s.must(err)
		return host
	}
	const own = "https://127.0.0.1:2380"
	member, plain, gone := join("web2", true), join("web3", false), join("web4", true)
	got, err := AskMember(t.Context(), member, s.address, Membership{Peer: own, Fresh: true})
	if err != nil || got.Cluster != "all" || !got.Learner || len(told) != 1 || told[0] != "web2 "+own {
		t.Errorf("%+v, %v, %q", got, err, told)
	}
	s.must(s.folder.Forget("web4"))
	stranger := newFolder(t)
	key, err := stranger.MakeHostKey()
	s.must(err)
	forged, err := authority.Issue(ca.Host{Name: "web2", Member: true}, key.Public(), time.Now())
	s.must(err)
	s.must(errors.Join(stranger.Trust(authority.Certificate), stranger.Keep(forged)))
	for what, one := range map[string]struct {
		folder ca.Folder
		peer   string
		words  string
	}{
		"no member's certificate": {plain, own, "relink fleet token --etcd --host web3"},
		"another's address":       {member, "https://10.0.0.9:2380", "of its certificate"},
		"no TLS":                  {member, "http://127.0.0.1:2380", "of its certificate"},
		"no URL":                  {member, "\x00", "of its certificate"},
		"taken out":               {gone, own, "taken out of the fleet"},
		"another key":             {stranger, own, "with another key"},
	} {
		if _, err := AskMember(t.Context(), one.folder, s.address, Membership{Peer: one.peer}); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), one.words) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(told) != 1 {
		t.Errorf("%q", told)
	}
}
