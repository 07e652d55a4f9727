package config

import (
	"cmp"
	"net"
	"regexp"
	"strings"
	"time"
)

// Fleet is the part of this host in a fleet. Paths are "" where not given.
type Fleet struct {
	Name   string   `key:"name" form:"name" default:"default"` // of the fleet: its prefix in etcd
	Host   string   `key:"host" form:"name"`                   // of this host in it; "": what the machine is called
	Labels []string `key:"labels"`                             // KEY=VALUE, by which hosts are chosen
	Etcd   Etcd     `key:"etcd"`
	Dir    string   `key:"dir" form:"absolute" default:"/etc/relink/fleet"` // of this host's certificate, and of the authority
	Listen string   `key:"listen" form:"listen"`                            // where the host with the authority answers those who join; "": nowhere
	Renew  string   `key:"renew" form:"host and port"`                      // where this host's certificate is renewed; "": nowhere
	Serve  string   `key:"serve" form:"host and port"`                      // where other hosts fetch releases from this one; "": nowhere
	Ready  string   `key:"ready" form:"listen" default:"127.0.0.1:9157"`    // where the agent answers /readyz

	Quorum  string        `key:"quorum" default:"all"`                    // hosts that have to come along: a number, a share such as 80%, or all
	Prepare time.Duration `key:"prepare" least:"1s" default:"15m"`        // until all hosts are ready
	Switch  time.Duration `key:"switch" least:"1s" default:"2m"`          // for a wave to cut over and check
	Lease   time.Duration `key:"lease" least:"2s" most:"1m" default:"5s"` // a host that is silent for longer is away
	Absent  time.Duration `key:"absent" least:"1ms" default:"15s"`        // one that is away for longer does not come along
}

// At fills in what the machine is called where the configuration does not name the host.
func (f Fleet) At(machine string) Fleet {
	f.Host = cmp.Or(f.Host, machine)
	return f
}

// Etcd is where the fleet agrees. The files are in PEM form.
type Etcd struct {
	Endpoints []string `key:"endpoints" form:"url"`
	CA        string   `key:"ca" form:"absolute"`
	Cert      string   `key:"cert" form:"absolute"`
	Key       string   `key:"key" form:"absolute"`
}

// quorum is a number of hosts, a share, or all.
var quorum = regexp.MustCompile(`^(all|[1-9][0-9]{0,5}|([1-9][0-9]?|100)%)$`)

// fleet refuses what would send secrets, or the power to deploy, in the clear.
func (v *validator) fleet() {
	f := v.Fleet
	if f == nil || v.reportedBelow("fleet") {
		return
	}
	if len(f.Etcd.Endpoints) == 0 {
		v.wrong("fleet.etcd", "needs endpoints: the addresses of etcd, such as https://10.0.0.1:2379")
		return
	}
	secure := f.Etcd.Cert != "" && f.Etcd.Key != "" && f.Etcd.CA != ""
	for _, endpoint := range f.Etcd.Endpoints {
		if !secure && !strings.HasPrefix(endpoint, "http://127.0.0.1:") && !strings.HasPrefix(endpoint, "http://[::1]:") {
			v.wrong("fleet.etcd", "%s can be reached from other machines, which needs ca, cert and key: whoever may write there may deploy", endpoint)
			return
		}
	}
	switch {
	case strings.HasPrefix(f.Listen, "unix:"):
		v.wrong("fleet.listen", "other hosts cannot reach a socket; write it like 10.0.0.1:9158")
	case isEverywhere(f.Serve):
		v.wrong("fleet.serve", "the other hosts are told this address: write the one at which they reach this host, such as 10.0.0.1:9159")
	case f.Listen != "" && f.Renew != "":
		v.wrong("fleet.renew", "is for hosts without the authority, and listen for the one with it")
	}
	if !quorum.MatchString(f.Quorum) {
		v.wrong("fleet.quorum", "%q is no number of hosts, no share such as 80%%, and not all", f.Quorum)
	}
	for i, label := range f.Labels {
		if key, _, ok := strings.Cut(label, "="); !ok || key == "" {
			v.wrong(item("fleet.labels", i), "%q is not KEY=VALUE", label)
		}
	}
}

// isEverywhere tells whether an address says no more than a port.
func isEverywhere(address string) bool {
	host, _, err := net.SplitHostPort(address)
	ip := net.ParseIP(host)
	return err == nil && (host == "" || ip != nil && ip.IsUnspecified())
}
