package enroll

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/fleet/ca"

	"github.com/rs/zerolog"
)

// scene is a host with the authority that answers, and its address.
type scene struct {
	*testing.T
	folder  ca.Folder
	server  *Admission
	address string
	log     *bytes.Buffer // to be read when the server has ended
	end     func()
}

func newFolder(t *testing.T) ca.Folder {
	t.Helper()
	f := ca.Folder(filepath.Join(t.TempDir(), "fleet"))
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	return f
}

func (s *scene) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func answering(t *testing.T, change ...func(*Admission)) *scene {
	t.Helper()
	s := &scene{T: t, folder: newFolder(t), log: &bytes.Buffer{}}
	_, err := s.folder.MakeAuthority("shop", time.Now())
	s.must(err)
	s.give(s.folder, "web1", time.Now())
	s.server = &Admission{Folder: s.folder, Fleet: "shop", Endpoints: []string{"https://10.0.0.1:2379"}, Log: zerolog.New(s.log), wrong: time.Nanosecond}
	for _, one := range change {
		one(s.server)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.address = l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.server.Serve(ctx, l) }()
	s.end = func() {
		cancel()
		s.must(<-ended)
		s.end = func() {}
	}
	t.Cleanup(func() { s.end() })
	return s
}

// give issues a certificate to a host at some time, into its folder.
func (s *scene) give(f ca.Folder, name string, at time.Time) {
	s.Helper()
	a, err := s.folder.Authority()
	s.must(err)
	key, err := f.MakeHostKey()
	s.must(err)
	c, err := a.Issue(ca.Host{Name: name}, key.Public(), at)
	s.must(err)
	s.must(errors.Join(s.folder.Record(c), f.Trust(a.Certificate), f.Keep(c)))
}

func (s *scene) token(host string) ca.Token {
	s.Helper()
	t, _, err := s.folder.Offer(ca.Grant{Host: host, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}}, time.Now())
	s.must(err)
	return t
}

func TestJoin(t *testing.T) {
	s := answering(t)
	given, host := s.token(""), newFolder(t)
	got, err := Join(t.Context(), s.address, given, host, "web2")
	s.must(err)
	if got.Fleet != "shop" || len(got.Endpoints) != 1 || !strings.Contains(got.Certificate.IPAddresses[0].String(), "10.0.0.2") {
		t.Errorf("%+v", got)
	}
	a, err := s.folder.Authority()
	s.must(err)
	own, err := host.Host()
	s.must(err)
	key, err := host.MakeHostKey()
	s.must(err)
	if err := ca.VerifyOwn(own, a.Certificate, "web2", &key.PublicKey, time.Now()); err != nil || !s.folder.Known("web2") {
		t.Error(err)
	}
	if _, err := Join(t.Context(), s.address, given, newFolder(t), "web3"); !errors.Is(err, ErrRefused) {
		t.Errorf("a second time: %v", err)
	}
	s.end()
	if log := s.log.String(); strings.Contains(log, given.Secret) || !strings.Contains(log, "was not let into") {
		t.Errorf("log: %s", log)
	}
}

func TestJoinIsRefused(t *testing.T) {
	s := answering(t)
	other := answering(t)
	unknown := s.token("")
	unknown.Secret = strings.Repeat("A", len(unknown.Secret))
	foreign := s.token("")
	foreign.Pin = other.token("").Pin
	_, port, _ := net.SplitHostPort(s.address)
	joined := newFolder(t)
	other.give(joined, "web7", time.Now())
	for what, one := range map[string]struct {
		address string
		token   ca.Token
		folder  ca.Folder
		name    string
		want    error
	}{
		"unknown token":          {s.address, unknown, newFolder(t), "web2", ErrRefused},
		"token of another fleet": {s.address, foreign, newFolder(t), "web2", ca.ErrOther},
		"another fleet answers":  {other.address, s.token(""), newFolder(t), "web2", ca.ErrOther},
		"not its address":        {"localhost:" + port, s.token(""), newFolder(t), "web2", ca.ErrOther},
		"name of the authority":  {s.address, s.token(""), newFolder(t), "web1", ErrRefused},
		"name in other letters":  {s.address, s.token(""), newFolder(t), "WEB1", ErrRefused},
		"token for another":      {s.address, s.token("web5"), newFolder(t), "web6", ErrRefused},
		"no name of a host":      {s.address, s.token(""), newFolder(t), "../web2", ErrRefused},
		"another fleet's host":   {s.address, s.token(""), joined, "web2", ca.ErrOther},
	} {
		if _, err := Join(t.Context(), one.address, one.token, one.folder, one.name); !errors.Is(err, one.want) {
			t.Errorf("%s: %v, want %v", what, err, one.want)
		}
		if _, err := os.Stat(one.folder.Cert()); err == nil && one.folder != joined {
			t.Errorf("%s: a certificate was written", what)
		}
	}
	if _, err := Join(t.Context(), s.address, s.token(""), s.folder, "web2"); err == nil {
		t.Error("the authority has joined itself")
	}
	if _, err := Join(t.Context(), s.address, s.token("web1"), newFolder(t), "web1"); err != nil {
		t.Errorf("a token for a name that is taken: %v", err)
	}
}

// The host with the authority cannot be passed for by one that says it is reached there.
func TestReachable(t *testing.T) {
	s := answering(t)
	a, err := s.folder.Authority()
	s.must(err)
	key, err := s.folder.MakeHostKey()
	s.must(err)
	mine, its := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	own, err := a.Issue(ca.Host{Name: "web1", Addresses: []netip.Addr{mine}}, key.Public(), time.Now())
	s.must(err)
	s.must(s.folder.Keep(own))
	if got := s.server.reachable(ca.Grant{Addresses: []netip.Addr{its}}, mine); len(got) != 1 || got[0] != its {
		t.Errorf("%v", got)
	}
}

func TestRenew(t *testing.T) {
	s := answering(t)
	host := newFolder(t)
	s.give(host, "web2", time.Now())
	if renewed, err := Renew(t.Context(), host, s.address); renewed || err != nil {
		t.Errorf("too early: %v, %v", renewed, err)
	}
	for _, f := range []ca.Folder{host, s.folder} { // at the other host, and by itself
		name := map[bool]string{true: "web1", false: "web2"}[f == s.folder]
		s.give(f, name, time.Now().Add(-70*24*time.Hour))
		before, err := f.Host()
		s.must(err)
		if renewed, err := Renew(t.Context(), f, s.address); !renewed || err != nil {
			t.Fatalf("%s: %v, %v", name, renewed, err)
		}
		after, err := f.Host()
		s.must(err)
		if !after.NotAfter.After(before.NotAfter) || after.Subject.CommonName != name || !bytes.Equal(after.RawSubjectPublicKeyInfo, before.RawSubjectPublicKeyInfo) {
			t.Errorf("%v instead of %v", after.NotAfter, before.NotAfter)
		}
	}
}

func TestRenewIsRefused(t *testing.T) {
	s, other := answering(t), answering(t)
	due := time.Now().Add(-70 * 24 * time.Hour)
	removed, expired, stranger, lost := newFolder(t), newFolder(t), newFolder(t), newFolder(t)
	s.give(removed, "web2", due)
	s.must(s.folder.Forget("web2"))
	s.give(expired, "web3", time.Now().Add(-91*24*time.Hour))
	other.give(stranger, "web4", due)
	s.give(lost, "web5", due)
	replaced := newFolder(t)
	s.give(replaced, "web6", due)
	s.give(newFolder(t), "web6", time.Now())
	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	s.must(err)
	s.must(nobody.Close())
	for what, one := range map[string]struct {
		folder  ca.Folder
		address string
		want    string
	}{
		"taken out":       {removed, s.address, "was taken out of the fleet"},
		"joined again":    {replaced, s.address, "another key"},
		"expired":         {expired, s.address, ca.ErrExpired.Error()},
		"another fleet":   {stranger, s.address, "certificate"},
		"nobody answers":  {lost, nobody.Addr().String(), "could not be renewed"},
		"no port":         {lost, "", "could not be renewed"},
		"another answers": {lost, other.address, "certificate"},
	} {
		before, err := os.ReadFile(one.folder.Cert())
		s.must(err)
		if renewed, err := Renew(t.Context(), one.folder, one.address); renewed || err == nil || !strings.Contains(err.Error(), one.want) {
			t.Errorf("%s: %v, %v", what, renewed, err)
		}
		if after, err := os.ReadFile(one.folder.Cert()); err != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the certificate was changed (%v)", what, err)
		}
	}
}

// What is no request of a host is answered in short, and gives nothing.
func TestHostileRequests(t *testing.T) {
	s := answering(t)
	given := s.token("")
	fresh, due := newFolder(t), newFolder(t)
	s.give(fresh, "web2", time.Now())
	s.give(due, "web3", time.Now().Add(-70*24*time.Hour))
	for what, one := range map[string]struct {
		method, path, body string
		as                 ca.Folder
		want               int
	}{
		"GET":                     {"GET", joinPath, "", "", http.StatusMethodNotAllowed},
		"other path":              {"POST", "/", "", "", http.StatusNotFound},
		"no JSON":                 {"POST", joinPath, "x", "", http.StatusBadRequest},
		"too large":               {"POST", joinPath, `{"secret":"` + strings.Repeat("A", mostAsked) + `"}`, "", http.StatusBadRequest},
		"no request":              {"POST", joinPath, `{"secret":"` + given.Secret + `"}`, "", http.StatusBadRequest},
		"request is no DER":       {"POST", joinPath, `{"secret":"` + given.Secret + `","request":"AAAA"}`, "", http.StatusBadRequest},
		"renews without any":      {"POST", renewPath, "", "", http.StatusUnauthorized},
		"renews before it is due": {"POST", renewPath, "", fresh, http.StatusConflict},
		"renews when due":         {"POST", renewPath, "", due, http.StatusOK},
	} {
		settings, err := pinned(s.address, given.Pin)
		s.must(err)
		if one.as != "" {
			pair, err := tls.LoadX509KeyPair(one.as.Cert(), one.as.Key())
			s.must(err)
			settings.Certificates = []tls.Certificate{pair}
		}
		request, err := http.NewRequestWithContext(t.Context(), one.method, "https://"+s.address+one.path, strings.NewReader(one.body))
		s.must(err)
		client := http.Client{Transport: &http.Transport{TLSClientConfig: settings, DisableKeepAlives: true}}
		answer, err := client.Do(request)
		s.must(err)
		s.must(answer.Body.Close())
		if answer.StatusCode != one.want {
			t.Errorf("%s: %s", what, answer.Status)
		}
	}
	// Nothing of this has used the token.
	if _, err := Join(t.Context(), s.address, given, newFolder(t), "web4"); err != nil {
		t.Error(err)
	}
}

func TestTriesAreFew(t *testing.T) {
	s := answering(t)
	here := netip.MustParseAddr("127.0.0.1")
	if !s.server.tries.begin(here) {
		t.Fatal("no try")
	}
	given := s.token("")
	if _, err := Join(t.Context(), s.address, given, newFolder(t), "web2"); !errors.Is(err, ErrRefused) || !strings.Contains(err.Error(), "too many") {
		t.Error(err)
	}
	s.server.tries.end(here)
	if _, err := Join(t.Context(), s.address, given, newFolder(t), "web2"); err != nil {
		t.Error(err)
	}
	var many tries
	begun := 0
	for i := range 20 {
		if many.begin(netip.AddrFrom4([4]byte{10, 0, 0, byte(i)})) {
			begun++
		}
	}
	if begun != mostTries {
		t.Errorf("%d tries at once", begun)
	}
}

// told is a log that says when something is written.
type told chan string

func (w told) Write(text []byte) (int, error) {
	w <- string(text)
	return len(text), nil
}

// A wrong token keeps the place of whoever tried it, also of one who breaks off at once.
func TestWrongTokensCost(t *testing.T) {
	log := make(told, 8)
	s := answering(t, func(a *Admission) { a.wrong, a.Log = time.Hour, zerolog.New(log) })
	wrong, ctx := s.token(""), t.Context()
	wrong.Secret = strings.Repeat("A", len(wrong.Secret))
	trying, leave := context.WithCancel(ctx)
	left := make(chan error)
	go func() {
		_, err := Join(trying, s.address, wrong, newFolder(t), "web2")
		left <- err
	}()
	<-log
	leave()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if _, err := Join(ctx, s.address, s.token(""), newFolder(t), "web3"); err == nil || !strings.Contains(err.Error(), "too many") {
		t.Errorf("another try: %v", err)
	}
}
