package depot

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"relink/deploy/fleet/ca"
	"relink/internal/hint"
)

// Peer is another host of the fleet.
type Peer struct {
	Name    string // as in its certificate
	Address string // HOST:PORT at which it serves its depot
}

// ErrNobody: no host that can be reached has it.
var ErrNobody = errors.New("no host of the fleet hands it out")

const (
	mostPeers  = 8 // that are asked before it is asked anew who has it
	firstPause = 100 * time.Millisecond
	lastPause  = 3 * time.Second
)

// fetch asks one host after the other until all has come, or nothing has for a while.
func (s *Source) fetch(ctx context.Context, ask func(context.Context, *client) error) error {
	last, pause := time.Now(), firstPause
	for {
		came, err := s.round(ctx, ask)
		if err == nil || ctx.Err() != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		if came {
			last, pause = time.Now(), firstPause
		}
		if time.Since(last) > s.Depot.patience {
			return hint.With(err, "the agent of a host that has it has to run, with fleet.serve, and this host has to reach it; what has come is kept: deploy again")
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
		pause = min(2*pause, lastPause)
	}
}

// round asks each host once, and tells whether anything has come.
func (s *Source) round(ctx context.Context, ask func(context.Context, *client) error) (came bool, err error) {
	settings, err := asking(s.Depot.own)
	if err != nil {
		return false, err
	}
	peers, err := s.Depot.Having(ctx, s.ID)
	if err == nil && len(peers) == 0 {
		err = ErrNobody
	}
	rand.Shuffle(len(peers), func(i, j int) { peers[i], peers[j] = peers[j], peers[i] })
	failed := []error{err}
	for _, peer := range peers[:min(mostPeers, len(peers))] {
		c := newClient(s.Depot, peer, settings)
		err := ask(ctx, c)
		c.close()
		came = came || c.kept > 0
		if err == nil || ctx.Err() != nil {
			return came, err
		}
		failed = append(failed, fmt.Errorf("%s (%s): %w", peer.Name, peer.Address, err))
	}
	return came, errors.Join(failed...)
}

// asking is how this host shows who it is, and knows the others. The files are read anew for
// each fetch: certificates are renewed.
func asking(f ca.Folder) (*tls.Config, error) {
	own, authorities, err := certificates(f)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: authorities, Certificates: []tls.Certificate{own}}, nil
}

// serving answers whoever has a certificate of the fleet's authority, and nobody else.
func serving(f ca.Folder) (*tls.Config, error) {
	own, authorities, err := certificates(f)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{"http/1.1"}, SessionTicketsDisabled: true,
		Certificates: []tls.Certificate{own}, ClientCAs: authorities, ClientAuth: tls.RequireAndVerifyClientCert,
	}, nil
}

func certificates(f ca.Folder) (own tls.Certificate, authorities *x509.CertPool, err error) {
	key, err := f.HostKey()
	var host, authority *x509.Certificate
	if err == nil {
		host, err = f.Host()
	}
	if err == nil {
		authority, err = f.Trusted()
	}
	if err != nil {
		return own, nil, hint.With(fmt.Errorf("certificate of this host: %w", err), "hosts hand releases to each other by the certificates of relink fleet init and relink fleet join")
	}
	authorities = x509.NewCertPool()
	authorities.AddCert(authority)
	return tls.Certificate{Certificate: [][]byte{host.Raw}, PrivateKey: key}, authorities, nil
}
