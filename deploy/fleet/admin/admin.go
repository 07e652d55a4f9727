// Package admin is what the host with the authority does in the fleet's etcd: it gives each
// host the role that reaches the fleet's keys and no others, and lets hosts be members.
package admin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"relink/deploy/fleet/ca"
	"relink/internal/config"
	"relink/internal/hint"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// callTime bounds each question to etcd.
const callTime = 5 * time.Second

// Admin is etcd's user root, by a certificate that the authority makes for it and that is
// kept nowhere. Before etcd asks who somebody is, it needs no more than any certificate.
type Admin struct {
	client *clientv3.Client
	config clientv3.Config
	fleet  string
}

// Is tells whether this host administers the fleet's etcd: it has the authority, and etcd is
// one that knows the fleet's hosts by that.
func Is(f config.Fleet) bool {
	folder := ca.Folder(f.Dir)
	return f.Etcd.CA == folder.CA() && folder.HasAuthority()
}

// With does something in the fleet's etcd, on the host with the authority.
func With(ctx context.Context, f config.Fleet, do func(*Admin) error) error {
	authority, err := ca.Folder(f.Dir).Authority()
	if err != nil {
		return err
	}
	a, err := open(ctx, authority, f.Name, f.Etcd.Endpoints)
	if err != nil {
		return err
	}
	return errors.Join(do(a), a.client.Close())
}

func open(ctx context.Context, authority *ca.Authority, fleet string, endpoints []string) (*Admin, error) {
	own, err := authority.Root(time.Now())
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AddCert(authority.Certificate)
	c := clientv3.Config{
		Context: ctx, Endpoints: endpoints, DialTimeout: callTime, Logger: zap.NewNop(),
		TLS: &tls.Config{MinVersion: tls.VersionTLS13, RootCAs: roots, Certificates: []tls.Certificate{own}},
	}
	client, err := clientv3.New(c)
	if err != nil {
		return nil, fmt.Errorf("etcd: %w", err)
	}
	return &Admin{client, c, fleet}, nil
}

// unless is err, but for those that say that it is so already.
func unless(err error, well ...error) error {
	for _, one := range well {
		if errors.Is(err, one) {
			return nil
		}
	}
	return err
}

// refused says who may do this.
func refused(err error, what string) error {
	if err == nil {
		return nil
	}
	return hint.With(fmt.Errorf("etcd: %s: %w", what, err), "etcd has to trust the fleet's authority alone (--client-cert-auth and --trusted-ca-file, as relink fleet init prints); who administers an etcd with certificates of its own does this (docs/fleet.md)")
}
