package fleet_test

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"path/filepath"
	"testing"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/ca"
)

// What was asked for is proven by the signature as etcd keeps it, whatever has become of the
// rollout since, and by nobody else's; not where anything of it was made otherwise.
func TestSigned(t *testing.T) {
	folder := ca.Folder(filepath.Join(t.TempDir(), "fleet"))
	if err := folder.Make(); err != nil {
		t.Fatal(err)
	}
	authority, err := folder.MakeAuthority("shop", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	key, err := folder.MakeHostKey()
	if err != nil {
		t.Fatal(err)
	}
	c, err := authority.Issue(ca.Host{Name: "web1"}, key.Public(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	trusted, others := x509.NewCertPool(), x509.NewCertPool()
	trusted.AddCert(authority.Certificate)
	r := fleet.Rollout{
		ID: "1", By: "deploy on web1", Target: fleet.Target{Rollout: "1", Ref: "v1", Commit: "abc"}, Started: time.Now().UTC().Truncate(time.Millisecond),
		Hosts: []string{"web1", "web2"}, All: true, Waves: []int{}, Quorum: 2,
	}
	if _, err := r.SignedBy("shop", "club", trusted); err == nil {
		t.Error("proven without a signature")
	}
	if err := r.Sign("shop", "club", tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	kept := func() (r fleet.Rollout) {
		if err := json.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
	later := kept()
	later.Phase, later.Wave, later.Ended, later.Target.Digest = fleet.Done, 1, true, "d"
	if name, err := later.SignedBy("shop", "club", trusted); err != nil || name != "web1" {
		t.Errorf("%q, %v", name, err)
	}
	for what, otherwise := range map[string]func(*fleet.Rollout){
		"who":         func(r *fleet.Rollout) { r.By = "root on web2" },
		"ref":         func(r *fleet.Rollout) { r.Target.Ref = "v2" },
		"commit":      func(r *fleet.Rollout) { r.Target.Commit = "def" },
		"hosts":       func(r *fleet.Rollout) { r.Hosts = r.Hosts[:1] },
		"id":          func(r *fleet.Rollout) { r.ID = "2" },
		"when":        func(r *fleet.Rollout) { r.Started = r.Started.Add(time.Second) },
		"expired":     func(r *fleet.Rollout) { r.Started = r.Started.Add(100 * 24 * time.Hour) },
		"certificate": func(r *fleet.Rollout) { r.Signed.Certificates[0] = authority.Certificate.Raw },
		"none":        func(r *fleet.Rollout) { r.Signed = &fleet.Signature{} },
		"no DER":      func(r *fleet.Rollout) { r.Signed.Certificates[0] = []byte("x") },
	} {
		r := kept()
		otherwise(&r)
		if name, err := r.SignedBy("shop", "club", trusted); err == nil {
			t.Errorf("%s: proven to be of %s", what, name)
		}
	}
	r = kept()
	if _, err := r.SignedBy("shop", "other", trusted); err == nil {
		t.Error("proven for another application")
	}
	if _, err := r.SignedBy("shop", "club", others); err == nil {
		t.Error("proven by an authority that is not trusted")
	}
}
