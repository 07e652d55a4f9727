package enroll

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"sync"
	"time"

	"relink/deploy/fleet/ca"
	"relink/internal/socket"

	"github.com/rs/zerolog"
)

// Bounds of what those who ask can make the server spend.
const (
	mostConnections = 512
	mostOfOne       = 8 // connections of one address
	mostTries       = 8 // at once; of one address, one
)

// wrongCosts is how long a wrong token keeps whoever tried it, and its place.
const wrongCosts = time.Second

// Admission answers on the host that has the authority.
type Admission struct {
	Folder    ca.Folder
	Fleet     string   // its name, for those who join
	Endpoints []string // of etcd, for those who join
	Log       zerolog.Logger

	// Admitted is told each host that has joined, before it is answered; may be nil.
	Admitted func(ctx context.Context, host string)
	// Enlist has a host be a member of the fleet's etcd; nil: that is not this one's to say.
	Enlist func(ctx context.Context, host string, asked Membership) (Member, error)

	wrong time.Duration // costs; 0: wrongCosts
	tries tries
}

// Serve answers until ctx ends, which is no error. Requests have 16 KiB at most.
func (s *Admission) Serve(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+joinPath, func(w http.ResponseWriter, r *http.Request) { s.join(ctx, w, r) })
	mux.HandleFunc("POST "+renewPath, s.renew)
	mux.HandleFunc("POST "+memberPath, s.member)
	server := &http.Server{
		Handler: mux, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: s.config},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2: one connection, one request at a time
		ReadHeaderTimeout: askTime, ReadTimeout: askTime, WriteTimeout: askTime, IdleTimeout: askTime, MaxHeaderBytes: 4 << 10,
	}
	if err := socket.ServeTLS(ctx, socket.Limit(l, mostConnections, mostOfOne), server, s.Log); err != nil {
		return fmt.Errorf("fleet.listen: %w", err)
	}
	return nil
}

// config reads the certificates anew for each connection: this host's is renewed, too. The
// authority's goes with it, for those who know no more than its pin.
func (s *Admission) config(*tls.ClientHelloInfo) (*tls.Config, error) {
	key, err := s.Folder.HostKey()
	if err != nil {
		return nil, err
	}
	own, err := s.Folder.Host()
	if err != nil {
		return nil, err
	}
	authority, err := s.Folder.Trusted()
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}, SessionTicketsDisabled: true,
		Certificates: []tls.Certificate{{Certificate: [][]byte{own.Raw, authority.Raw}, PrivateKey: key}},
		ClientCAs:    pool, ClientAuth: tls.VerifyClientCertIfGiven,
	}, nil
}

// join gives a new host its certificate for a token.
func (s *Admission) join(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		http.Error(w, "from where?", http.StatusBadRequest)
		return
	}
	address := from.Addr().Unmap().WithZone("")
	var asked joining
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostAsked)).Decode(&asked); err != nil {
		http.Error(w, "this is no request to join", http.StatusBadRequest)
		return
	}
	if !s.tries.begin(address) { // all of it is here: nobody holds a place by sending slowly
		w.Header().Set("Retry-After", "1")
		http.Error(w, "too many tries at once; try again", http.StatusTooManyRequests)
		return
	}
	defer s.tries.end(address)
	request, name, key, err := requested(asked.Request)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	grant, err := s.Folder.Redeem(asked.Secret, time.Now())
	if err != nil {
		s.Log.Warn().Err(err).Stringer("from", address).Msg("a host was not let into the fleet")
		s.pay(ctx)
		http.Error(w, ca.ErrToken.Error()+": it was used, is older than an hour, or was never given out", http.StatusForbidden)
		return
	}
	if err := request.CheckSignature(); err != nil {
		http.Error(w, errNoRequest.Error(), http.StatusBadRequest)
		return
	}
	s.give(w, name, address, func(a *ca.Authority) (*x509.Certificate, error) {
		if err := s.permits(grant, name); err != nil {
			return nil, err
		}
		return a.Issue(ca.Host{Name: name, Addresses: s.reachable(grant, address), Member: grant.Member}, key, time.Now())
	}, func() {
		if s.Admitted != nil {
			s.Admitted(ctx, name)
		}
	})
}

// pay has a wrong token cost time, also whoever breaks off at once.
func (s *Admission) pay(ctx context.Context) {
	costs := s.wrong
	if costs == 0 {
		costs = wrongCosts
	}
	select {
	case <-time.After(costs):
	case <-ctx.Done():
	}
}

var errNoRequest = errors.New("the request for a certificate is not well-formed")

// requested reads whom a certificate is asked for, and the key. Nothing else of the request
// is granted. Its signature is not verified here: keys of other kinds could make that cost much.
func requested(der []byte) (request *x509.CertificateRequest, name string, key *ecdsa.PublicKey, err error) {
	request, err = x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, "", nil, errNoRequest
	}
	key, ok := request.PublicKey.(*ecdsa.PublicKey)
	if !ok || key.Curve != elliptic.P256() {
		return nil, "", nil, errors.New("the key is not ECDSA P-256")
	}
	name = request.Subject.CommonName
	return request, name, key, ca.CheckName(name)
}

// permits keeps a new host from taking the name of another one, whom hosts would then
// believe it to be.
func (s *Admission) permits(g ca.Grant, name string) error {
	switch {
	case g.Host != "" && g.Host != name:
		return refusal{fmt.Errorf("the token is for %s, not for %s", g.Host, name)}
	case g.Host == "" && s.Folder.Known(name):
		return refusal{fmt.Errorf("a host %s is in the fleet already; a token for it lets it join again: relink fleet token --host %s", name, name)}
	}
	return nil
}

// reachable is where the host may serve: where it is seen to be, and what the token says;
// never where this host is, whom it could pass for.
func (s *Admission) reachable(g ca.Grant, seen netip.Addr) []netip.Addr {
	addresses := append(slices.Clone(g.Addresses), seen)
	if own, err := s.Folder.Host(); err == nil {
		mine := ca.HostOf(own).Addresses
		addresses = slices.DeleteFunc(addresses, func(a netip.Addr) bool { return slices.Contains(mine, a.Unmap()) })
	}
	return addresses
}

// renew gives a host a new certificate for its present one; the same one again where its answer
// was lost.
func (s *Admission) renew(w http.ResponseWriter, r *http.Request) {
	present, h, is := s.shown(w, r)
	switch {
	case !is:
	case !ca.Due(present, time.Now()):
		http.Error(w, "it is not time yet: more than a third is left", http.StatusConflict)
	default:
		from, _ := netip.ParseAddrPort(r.RemoteAddr)
		s.give(w, h.Name, from.Addr(), func(a *ca.Authority) (*x509.Certificate, error) {
			last, is := s.has(h.Name, present) // it may have been taken out meanwhile
			switch {
			case !is:
				return nil, errTakenOut(h.Name)
			case !ca.Due(last, time.Now()):
				return last, nil
			}
			return a.Issue(h, present.PublicKey, time.Now())
		}, func() {})
	}
}

// refusal is what whoever asks is told.
type refusal struct{ error }

func errTakenOut(name string) error {
	return refusal{fmt.Errorf("%s was taken out of the fleet, or has joined again with another key", name)}
}

// shown is the certificate of a host of the fleet, who is told what else it shows.
func (s *Admission) shown(w http.ResponseWriter, r *http.Request) (present *x509.Certificate, h ca.Host, is bool) {
	if len(r.TLS.VerifiedChains) == 0 {
		http.Error(w, "show the present certificate", http.StatusUnauthorized)
		return nil, h, false
	}
	present = r.TLS.PeerCertificates[0]
	h = ca.HostOf(present)
	if _, is := s.has(h.Name, present); !is {
		http.Error(w, errTakenOut(h.Name).Error(), http.StatusForbidden)
		return nil, h, false
	}
	return present, h, true
}

// member has a host be a member of the fleet's etcd.
func (s *Admission) member(w http.ResponseWriter, r *http.Request) {
	present, h, is := s.shown(w, r)
	if !is {
		return
	}
	var asked Membership
	switch err := json.NewDecoder(http.MaxBytesReader(w, r.Body, mostAsked)).Decode(&asked); {
	case err != nil || !isAt(asked.Peer, present):
		http.Error(w, "a member says at which https address of its certificate the others reach it", http.StatusBadRequest)
	case !h.Member:
		http.Error(w, "the certificate of "+h.Name+" does not let it be a member of etcd: relink fleet token --etcd --host "+h.Name+" lets it join again so", http.StatusForbidden)
	case s.Enlist == nil:
		http.Error(w, "the etcd of this fleet does not know hosts by this authority", http.StatusForbidden)
	default:
		got, err := s.Enlist(r.Context(), h.Name, asked)
		if err != nil {
			s.Log.Warn().Err(err).Str("host", h.Name).Msg("a host is no member of etcd")
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(got)
	}
}

// isAt tells whether a URL is at an address of the certificate.
func isAt(text string, c *x509.Certificate) bool {
	at, err := url.Parse(text)
	return err == nil && at.Scheme == "https" && at.Path == "" && c.VerifyHostname(at.Hostname()) == nil
}

// has is what a host was given last, where it is still the one that joined last under its name:
// renewing keeps the key.
func (s *Admission) has(name string, present *x509.Certificate) (last *x509.Certificate, is bool) {
	last, err := s.Folder.Given(name)
	return last, err == nil && bytes.Equal(last.RawSubjectPublicKeyInfo, present.RawSubjectPublicKeyInfo)
}

// give records what issue gives, and sends it. In between nobody takes the host out.
func (s *Admission) give(w http.ResponseWriter, name string, to netip.Addr, issue func(*ca.Authority) (*x509.Certificate, error), given func()) {
	authority, err := s.Folder.Authority()
	var issued *x509.Certificate
	if err == nil {
		err = s.Folder.Alone(func() (err error) {
			if issued, err = issue(authority); err == nil {
				err = s.Folder.Record(issued)
			}
			return err
		})
	}
	if told := (refusal{}); errors.As(err, &told) {
		s.Log.Warn().Err(err).Stringer("from", to).Msg("a host was given no certificate")
		http.Error(w, told.Error(), http.StatusForbidden)
		return
	}
	if err != nil {
		s.Log.Error().Err(err).Str("host", name).Msg("no certificate could be given")
		http.Error(w, "no certificate could be given: the log of the agent there says why", http.StatusInternalServerError)
		return
	}
	s.Log.Info().Str("host", name).Stringer("to", to).Time("until", issued.NotAfter).Str("serial", issued.SerialNumber.Text(16)).Msg("a certificate was given")
	given()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(admitted{authority.Certificate.Raw, issued.Raw, s.Fleet, s.Endpoints}) // whoever has gone needs a new token
}

// tries are those that are under way.
type tries struct {
	mu  sync.Mutex
	now map[netip.Addr]bool
}

func (t *tries) begin(from netip.Addr) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.now == nil {
		t.now = map[netip.Addr]bool{}
	}
	if t.now[from] || len(t.now) >= mostTries {
		return false
	}
	t.now[from] = true
	return true
}

func (t *tries) end(from netip.Addr) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.now, from)
}
