package enroll

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"relink/deploy/fleet/ca"
	"relink/internal/tlsfiles"
)

// from opens a connection of another address of this machine, and says nothing.
func (s *scene) from(address string) net.Conn {
	s.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	c, err := d.Dial("tcp", s.address)
	s.must(err)
	s.Cleanup(func() { _ = c.Close() })
	return c
}

// One address that opens connections and says nothing keeps nobody else from joining.
func TestConnectionsOfOneAddress(t *testing.T) {
	s := answering(t)
	for range mostOfOne {
		s.from("127.0.0.2")
	}
	more := s.from("127.0.0.2")
	s.must(more.SetReadDeadline(time.Now().Add(time.Minute)))
	if _, err := more.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && !isReset(err) {
		t.Errorf("one more is not closed: %v", err)
	}
	_, err := Join(t.Context(), s.address, s.token(""), newFolder(t), "web2")
	s.must(err)
}

func isReset(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && !op.Timeout()
}

// Whoever sends half a request holds no place of those who try.
func TestSlowRequests(t *testing.T) {
	s := answering(t)
	for i := range mostTries {
		c := tls.Client(s.from(fmt.Sprint("127.0.0.", i+2)), &tls.Config{InsecureSkipVerify: true})
		_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", joinPath)
		s.must(err)
	}
	_, err := Join(t.Context(), s.address, s.token(""), newFolder(t), "web2")
	s.must(err)
}

// A host that renews again and again is given one certificate, and none once it was taken out.
func TestRenewAgainstForget(t *testing.T) {
	s := answering(t)
	host := newFolder(t)
	s.give(host, "web2", time.Now().Add(-70*24*time.Hour))
	present, err := host.Host()
	s.must(err)
	key, err := host.HostKey()
	s.must(err)
	_, settings, err := known(host, present, key)
	s.must(err)
	again := func() (got admitted, err error) {
		return got, ask(t.Context(), s.address, renewPath, settings.Clone(), struct{}{}, &got)
	}
	first, err := again()
	s.must(err)
	var asking sync.WaitGroup
	for range 4 {
		asking.Go(func() {
			for {
				got, err := again()
				if err != nil {
					return
				}
				if !bytes.Equal(got.Certificate, first.Certificate) {
					t.Error("a second certificate for one that was due")
				}
			}
		})
	}
	s.must(s.folder.Forget("web2"))
	asking.Wait()
	if s.folder.Known("web2") {
		t.Error("a renewal has brought back what was taken out")
	}
}

// A key of another kind costs nothing but to be looked at.
func TestKeysOfOtherKinds(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "web2"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	der[len(der)-1] ^= 1 // so that a signature that is looked at is what fails
	if _, _, _, err := requested(der); err == nil || errors.Is(err, errNoRequest) {
		t.Error(err)
	}
}

// A key that others can read is not used, and none is made where it is gone.
func TestKeyIsItsOwn(t *testing.T) {
	s := answering(t)
	host := newFolder(t)
	s.give(host, "web2", time.Now())
	s.must(os.Chmod(host.Key(), 0o644))
	if _, err := Renew(t.Context(), host, s.address); err == nil {
		t.Error("Renew takes it")
	}
	if _, err := tlsfiles.Pair(host.Cert(), host.Key()); err == nil {
		t.Error("Pair takes it")
	}
	s.must(os.Remove(host.Key()))
	if _, err := Renew(t.Context(), host, s.address); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := os.Lstat(host.Key()); !errors.Is(err, fs.ErrNotExist) {
		t.Error("a key was made")
	}
}

// Names that mean another one than the host.
func TestNames(t *testing.T) {
	for name, good := range map[string]bool{"web1": true, "web-1.example": true, "root": false, "Localhost": false, "10.0.0.1": false, "a/b": false, "..": false} {
		if err := ca.CheckName(name); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
