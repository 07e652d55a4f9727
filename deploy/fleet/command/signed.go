package command

import (
	"crypto/x509"

	"relink/deploy/fleet"
	"relink/internal/tlsfiles"
)

// sign has a rollout say by which certificate it is asked for, where this host has one.
func (s *session) sign(r *fleet.Rollout) error {
	if s.fleet.Etcd.Cert == "" {
		return nil
	}
	own, err := tlsfiles.Pair(s.fleet.Etcd.Cert, s.fleet.Etcd.Key)
	if err != nil {
		return err
	}
	return r.Sign(s.fleet.Name, s.app, own)
}

// proof tells of rollouts who has asked for them, where that is proven, in place of the proof.
func (s *session) proof() (of func(*fleet.Rollout), err error) {
	var authorities *x509.CertPool
	if s.fleet.Etcd.CA != "" {
		if authorities, err = tlsfiles.Authorities(s.fleet.Etcd.CA); err != nil {
			return nil, err
		}
	}
	return func(r *fleet.Rollout) {
		r.Certificate = ""
		if authorities != nil {
			if name, err := r.SignedBy(s.fleet.Name, s.app, authorities); err == nil {
				r.Certificate = name
			}
		}
		r.Signed = nil
	}, nil
}

// by is who has asked for a rollout, for people.
func by(r fleet.Rollout) string {
	if r.Certificate == "" {
		return r.By
	}
	return r.By + " (certificate of " + r.Certificate + ")"
}
