package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"relink/deploy/fleet/ca"
	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/trust"

	"github.com/rs/zerolog"
	"go.etcd.io/etcd/client/pkg/v3/transport"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/storage/wal"
)

// Ports, as etcd has them.
const (
	clientPort = "2379"
	peerPort   = "2380"
)

// Bounds of what it keeps. What a fleet agrees on takes some MB at 10,000 hosts; what was
// there before is needed by watches that were cut off for minutes.
const (
	quota     = 512 << 20 // bytes; past that etcd takes no writes
	past      = time.Hour
	slack     = 64 // MB that a start gives back to the disk
	snapshots = 5
)

// member is one of etcd's.
type member struct {
	config.Fleet
	address netip.Addr
	data    string // folder
	log     zerolog.Logger
	out     io.Writer
}

func (m member) folder() ca.Folder { return ca.Folder(m.Dir) }

// present is the folder of what this member has, and begun that of what is being made.
func (m member) present() string { return filepath.Join(m.data, "data") }
func (m member) begun() string   { return filepath.Join(m.data, "new") }

func (m member) hasData() bool { return hasData(m.present()) }

func hasData(folder string) bool { return wal.Exist(filepath.Join(folder, "member", "wal")) }

func (m member) url(port string) url.URL {
	host := m.address.String()
	if m.address.Is6() {
		host = "[" + host + "]"
	}
	return url.URL{Scheme: "https", Host: host + ":" + port}
}

// peer is where the other members reach it.
func (m member) peer() string {
	at := m.url(peerPort)
	return at.String()
}

// check refuses what would end in a member that nobody believes, or that others can read.
func (m member) check() error {
	own, err := m.folder().Host()
	if err != nil {
		return fmt.Errorf("the certificate of this host: %w", err)
	}
	authority, err := m.folder().Trusted()
	if err != nil {
		return fmt.Errorf("the authority of the fleet: %w", err)
	}
	key, err := m.folder().HostKey()
	if err != nil {
		return err
	}
	if err := ca.VerifyOwn(own, authority, m.Host, &key.PublicKey, time.Now()); err != nil {
		return hint.With(fmt.Errorf("%s: %w", m.folder().Cert(), err), "fleet.host has to be the name in the certificate, and relink agent renews that")
	}
	if err := ca.Verify(own, authority, ca.MemberName, x509.ExtKeyUsageServerAuth, time.Now()); err != nil {
		return hint.With(fmt.Errorf("the certificate of %s does not let it be a member of etcd", m.Host), "join again by a token of: relink fleet token --etcd --host %s", m.Host)
	}
	if err := os.MkdirAll(m.data, 0o700); err != nil {
		return err
	}
	if err := trust.Check(m.data); err != nil {
		return err
	}
	return os.Chmod(m.data, 0o700)
}

// settings are etcd's for this member; cluster names all members. Its log is quiet once quiet is
// closed.
func (m member) settings(folder, cluster, state string, quiet <-chan struct{}) *embed.Config {
	c := embed.NewConfig()
	c.Name, c.Dir, c.InitialCluster, c.ClusterState, c.InitialClusterToken = m.Host, folder, cluster, state, "relink-"+m.Name
	peer, client := []url.URL{m.url(peerPort)}, []url.URL{m.url(clientPort)}
	c.ListenPeerUrls, c.AdvertisePeerUrls, c.ListenClientUrls, c.AdvertiseClientUrls = peer, peer, client, client

	// Certificates are read anew for each connection: relink agent renews them.
	by := transport.TLSInfo{CertFile: m.folder().Cert(), KeyFile: m.folder().Key(), TrustedCAFile: m.folder().CA(), ClientCertAuth: true}
	c.ClientTLSInfo, c.PeerTLSInfo, c.TlsMinVersion = by, by, "TLS1.3"
	c.PeerTLSInfo.AllowedHostnames = []string{ca.MemberName}
	c.EnableGRPCGateway, c.EnablePprof = false, false

	c.QuotaBackendBytes, c.BootstrapDefragThresholdMegabytes = quota, slack
	c.AutoCompactionMode, c.AutoCompactionRetention = embed.CompactorModePeriodic, past.String()
	c.MaxSnapFiles, c.MaxWalFiles = snapshots, snapshots
	c.StrictReconfigCheck, c.PreVote, c.MaxLearners = true, true, 1
	c.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger(m.log, quiet))
	return c
}

// explained makes of etcd's words what to do.
func explained(err error) error {
	switch {
	case err == nil:
		return nil
	case strings.Contains(err.Error(), "address already in use"):
		return hint.With(err, "another etcd runs on this host (systemctl status etcd relink-etcd)")
	case strings.Contains(err.Error(), "cannot assign requested address"):
		return hint.With(err, "the certificate's first address is not of this host: give --address")
	}
	return err
}

var errRemoved = errors.New("this host is no member of the fleet's etcd any more")
