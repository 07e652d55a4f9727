package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/config"
	"relink/internal/trust"
)

type pki struct {
	ca, cert, key         string
	clientCert, clientKey string
	pool                  *x509.CertPool
}

// certificates makes an authority, a service and a client.
func certificates(t testing.TB) pki {
	t.Helper()
	dir := t.TempDir()
	authority, authorityKey := certificate(t, dir, "ca", nil, nil, 1)
	certificate(t, dir, "server", authority, authorityKey, 2)
	certificate(t, dir, "client", authority, authorityKey, 3)
	pool := x509.NewCertPool()
	pool.AddCert(authority)
	return pki{dir + "/ca.pem", dir + "/server.pem", dir + "/server.key", dir + "/client.pem", dir + "/client.key", pool}
}

func certificate(t testing.TB, dir, name string, parent *x509.Certificate, parentKey *ecdsa.PrivateKey, serial int64) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA: parent == nil, BasicConstraintsValid: true,
	}
	if parent == nil {
		parent, parentKey = template, key
		template.KeyUsage = x509.KeyUsageCertSign
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, name+".pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
	write(t, filepath.Join(dir, name+".key"), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})), 0o600)
	return made, key
}

func (r *running) secured(files pki, client bool) *running {
	r.t.Helper()
	c := &tls.Config{RootCAs: files.pool, MinVersion: tls.VersionTLS12}
	if client {
		pair, err := tls.LoadX509KeyPair(files.clientCert, files.clientKey)
		if err != nil {
			r.t.Fatal(err)
		}
		c.Certificates = []tls.Certificate{pair}
	}
	port := r.addr.(*net.TCPAddr).Port
	return &running{t: r.t, addr: r.addr, client: &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}},
		base: "https://" + (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()}
}

func TestToken(t *testing.T) {
	files := certificates(t)
	secret := strings.Repeat("s", 31) + "é"
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, secret+"\n", 0o600)
	o := idle(t)
	o.Listen, o.TokenFile, o.TLS = "0.0.0.0:0", token, config.ServeTLS{Cert: files.cert, Key: files.key}
	r := start(t, o).secured(files, false)
	for name, one := range map[string]struct {
		set  func(*http.Request)
		want int
	}{
		"none":         {func(*http.Request) {}, 401},
		"bearer":       {func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+secret) }, 200},
		"password":     {func(q *http.Request) { q.SetBasicAuth("anybody", secret) }, 200},
		"user":         {func(q *http.Request) { q.SetBasicAuth(secret, "") }, 401},
		"wrong":        {func(q *http.Request) { q.Header.Set("Authorization", "Bearer "+secret+"x") }, 401},
		"empty":        {func(q *http.Request) { q.Header.Set("Authorization", "Bearer ") }, 401},
		"in the query": {func(q *http.Request) { q.URL.RawQuery = "token=" + secret }, 401},
		"other scheme": {func(q *http.Request) { q.Header.Set("Authorization", "Digest "+secret) }, 401},
	} {
		for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/api/v1/state", "/nothing"} {
			q, err := http.NewRequest(http.MethodGet, r.base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			one.set(q)
			answer, err := r.client.Do(q)
			if err != nil {
				t.Fatal(err)
			}
			answer.Body.Close()
			if got := answer.StatusCode; (got == 401) != (one.want == 401) {
				t.Errorf("%s %s: %d", name, path, got)
			}
		}
	}
}

func TestClientCertificates(t *testing.T) {
	files := certificates(t)
	o := idle(t)
	o.Listen, o.TLS = "0.0.0.0:0", config.ServeTLS{Cert: files.cert, Key: files.key, ClientCA: files.ca}
	r := start(t, o)
	if status, body := r.secured(files, true).get("/healthz"); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	stranger := r.secured(files, false)
	if answer, err := stranger.client.Get(stranger.base + "/healthz"); err == nil {
		answer.Body.Close()
		t.Error("somebody without a certificate is answered")
	}
}

func TestARenewedCertificateIsServed(t *testing.T) {
	files, next := certificates(t), certificates(t)
	o := idle(t)
	o.TLS = config.ServeTLS{Cert: files.cert, Key: files.key}
	r := start(t, o)
	if status, _ := r.secured(files, false).get("/healthz"); status != http.StatusOK {
		t.Error(status)
	}
	for from, to := range map[string]string{next.cert: files.cert, next.key: files.key} {
		text, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		write(t, to, string(text), 0o600)
	}
	later := time.Now().Add(time.Minute) // a file's time may be as coarse as the clock's tick
	if err := os.Chtimes(files.cert, later, later); err != nil {
		t.Fatal(err)
	}
	if status, _ := r.secured(next, false).get("/healthz"); status != http.StatusOK {
		t.Error(status)
	}
}

// An authority or a token that was withdrawn is worth nothing from then on.
func TestWhatIsWithdrawnIsNotAccepted(t *testing.T) {
	files, next := certificates(t), certificates(t)
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, strings.Repeat("a", 32), 0o600)
	o := idle(t)
	o.TokenFile, o.TLS = token, config.ServeTLS{Cert: files.cert, Key: files.key, ClientCA: files.ca}
	r := start(t, o).secured(files, true)
	r.client.Transport.(*http.Transport).TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(8)
	ask := func(secret string) int {
		q, err := http.NewRequest(http.MethodGet, r.base+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+secret)
		answer, err := r.client.Do(q)
		if err != nil {
			return 0
		}
		defer answer.Body.Close()
		return answer.StatusCode
	}
	change := func(file, text string) {
		write(t, file, text, 0o600)
		later := time.Now().Add(time.Minute) // a file's time may be as coarse as the clock's tick
		if err := os.Chtimes(file, later, later); err != nil {
			t.Fatal(err)
		}
	}
	if got := ask(strings.Repeat("a", 32)); got != http.StatusOK {
		t.Fatal(got)
	}
	change(token, strings.Repeat("b", 32))
	if before, after := ask(strings.Repeat("a", 32)), ask(strings.Repeat("b", 32)); before != http.StatusUnauthorized || after != http.StatusOK {
		t.Errorf("the old token: %d, the new one: %d", before, after)
	}
	other, err := os.ReadFile(next.ca)
	if err != nil {
		t.Fatal(err)
	}
	change(files.ca, string(other))
	if got := ask(strings.Repeat("b", 32)); got != 0 {
		t.Errorf("a client of the old authority is answered with %d", got)
	}
}

// Whoever could change a key, an authority or the token could answer as the service, or
// ask it.
func TestRootTakesNoFilesOfAccessThatOthersCouldChange(t *testing.T) {
	files := certificates(t)
	token := filepath.Join(t.TempDir(), "token")
	write(t, token, strings.Repeat("a", 32), 0o600)
	a := config.Serve{TokenFile: token, TLS: config.ServeTLS{Cert: files.cert, Key: files.key, ClientCA: files.ca}}
	if _, err := openAccess(a); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{files.cert, files.key, files.ca, a.TokenFile, filepath.Dir(a.TokenFile)} {
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, info.Mode().Perm()|0o020); err != nil {
			t.Fatal(err)
		}
		if _, err = openAccess(a); errors.Is(err, trust.ErrOthers) != (os.Geteuid() == 0) || err != nil && !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", file, err)
		}
		if err := os.Chmod(file, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}
