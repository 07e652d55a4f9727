package ca

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"relink/internal/trust"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func folder(t *testing.T) Folder {
	t.Helper()
	f := Folder(filepath.Join(t.TempDir(), "fleet"))
	if err := f.Make(); err != nil {
		t.Fatal(err)
	}
	return f
}

func authority(t *testing.T, f Folder) *Authority {
	t.Helper()
	a, err := f.MakeAuthority("shop", now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestDue(t *testing.T) {
	c := &x509.Certificate{NotBefore: now, NotAfter: now.Add(90 * 24 * time.Hour)}
	for days, want := range map[int]bool{-1: false, 0: false, 59: false, 60: true, 89: true, 90: true, 400: true} {
		if got := Due(c, now.Add(time.Duration(days)*24*time.Hour)); got != want {
			t.Errorf("after %d days: %v", days, got)
		}
	}
}

func TestVerify(t *testing.T) {
	a, other := authority(t, folder(t)), authority(t, folder(t))
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	address := netip.MustParseAddr("10.0.0.7")
	c, err := a.Issue(Host{Name: "web1", Addresses: []netip.Addr{address}, Member: true}, key.Public(), now)
	if err != nil {
		t.Fatal(err)
	}
	// A host that signs for others, as if it were the authority.
	forged, err := (&Authority{c, key}).Issue(Host{Name: "web2"}, stranger.Public(), now)
	if err != nil {
		t.Fatal(err)
	}
	const server, client = x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth
	for name, one := range map[string]struct {
		of   *x509.Certificate
		by   *Authority
		host string
		use  x509.ExtKeyUsage
		at   time.Time
		want error
	}{
		"by name":         {c, a, "web1", server, now, nil},
		"by address":      {c, a, "10.0.0.7", server, now, nil},
		"by loopback":     {c, a, "127.0.0.1", server, now, nil},
		"as client":       {c, a, "", client, now, nil},
		"clock behind":    {c, a, "", client, now.Add(-59 * time.Minute), nil},
		"last day":        {c, a, "", client, now.Add(89 * 24 * time.Hour), nil},
		"expired":         {c, a, "", client, now.Add(91 * 24 * time.Hour), ErrExpired},
		"not valid yet":   {c, a, "", client, now.Add(-2 * time.Hour), ErrOther},
		"other authority": {c, other, "", client, now, ErrOther},
		"other name":      {c, a, "web2", server, now, ErrOther},
		"other address":   {c, a, "10.0.0.8", server, now, ErrOther},
		"other use":       {c, a, "", x509.ExtKeyUsageCodeSigning, now, ErrOther},
		"by a host":       {forged, a, "", client, now, ErrOther},
		"host as root":    {forged, &Authority{Certificate: c}, "web1", server, now, ErrOther},
	} {
		if err := Verify(one.of, one.by.Certificate, one.host, one.use, one.at); !errors.Is(err, one.want) || (err == nil) != (one.want == nil) {
			t.Errorf("%s: %v, want %v", name, err, one.want)
		}
	}
	if err := VerifyOwn(c, a.Certificate, "web1", &key.PublicKey, now); err != nil {
		t.Error(err)
	}
	if err := VerifyOwn(c, a.Certificate, "web2", &key.PublicKey, now); !errors.Is(err, ErrOther) {
		t.Errorf("other name: %v", err)
	}
	if err := VerifyOwn(c, a.Certificate, "web1", &stranger.PublicKey, now); !errors.Is(err, ErrOther) {
		t.Errorf("other key: %v", err)
	}
	if h := HostOf(c); h.Name != "web1" || len(h.Addresses) != 1 || h.Addresses[0] != address || !h.Member {
		t.Errorf("%+v", h)
	}
}

func TestIssueRefusesNames(t *testing.T) {
	a := authority(t, folder(t))
	for _, name := range []string{"", "../ca", ".hidden", "-x", "a/b", "a b", "*", "*.example.org", "ä", "a\n", strings.Repeat("a", 65), "root", "Root", MemberName} {
		if _, err := a.Issue(Host{Name: name}, a.key.Public(), now); err == nil {
			t.Errorf("%q is a name", name)
		}
	}
}

// What was begun is finished, and what is there is not replaced.
func TestMakeAuthority(t *testing.T) {
	f := folder(t)
	first := authority(t, f)
	if again := authority(t, f); PinOf(again.Certificate) != PinOf(first.Certificate) {
		t.Error("the authority was replaced")
	}
	for _, path := range []string{f.AuthorityKey(), f.Key()} {
		if _, err := f.MakeHostKey(); err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: %v, %v", path, info, err)
		}
	}
	// Killed between the two files.
	if err := os.Remove(f.CA()); err != nil {
		t.Fatal(err)
	}
	if finished := authority(t, f); !finished.key.Equal(first.key) {
		t.Error("another key")
	}
	joined := folder(t)
	if err := joined.Trust(first.Certificate); err != nil {
		t.Fatal(err)
	}
	if _, err := joined.MakeAuthority("shop", now); err == nil || joined.HasAuthority() {
		t.Errorf("a host of another fleet has become an authority: %v", err)
	}
}

func TestFolderOfOthers(t *testing.T) {
	for what, spoil := range map[string]func(f Folder) error{
		"folder":   func(f Folder) error { return os.Chmod(string(f), 0o777) },
		"group":    func(f Folder) error { return os.Chmod(string(f), 0o775) },
		"key read": func(f Folder) error { return os.Chmod(f.AuthorityKey(), 0o644) },
		"key link": func(f Folder) error {
			return errors.Join(os.Rename(f.AuthorityKey(), f.AuthorityKey()+"2"), os.Symlink(f.AuthorityKey()+"2", f.AuthorityKey()))
		},
		"other key": func(f Folder) error {
			_, err := f.MakeHostKey()
			return errors.Join(err, os.Rename(f.Key(), f.AuthorityKey()))
		},
		"no PEM": func(f Folder) error { return os.WriteFile(f.CA(), []byte("x"), 0o644) },
		"no DER": func(f Folder) error {
			return os.WriteFile(f.CA(), []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), 0o644)
		},
		"too large": func(f Folder) error { return os.WriteFile(f.CA(), make([]byte, mostFile+1), 0o644) },
	} {
		f := folder(t)
		authority(t, f)
		if err := spoil(f); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Authority(); err == nil {
			t.Errorf("%s: was used", what)
		}
	}
	f := Folder(filepath.Join(t.TempDir(), "fleet"))
	if err := errors.Join(os.Mkdir(string(f), 0o700), os.Chmod(string(f), 0o777)); err != nil {
		t.Fatal(err)
	}
	if err := f.Make(); !errors.Is(err, trust.ErrOthers) {
		t.Error(err)
	}
}

func TestParseToken(t *testing.T) {
	f := folder(t)
	authority(t, f)
	given, _, err := f.Offer(Grant{}, now)
	if err != nil {
		t.Fatal(err)
	}
	if parsed, err := ParseToken(given.String()); err != nil || parsed != given {
		t.Errorf("%v, %v", parsed, err)
	}
	for _, text := range []string{"", ".", given.Secret, "x" + given.String(), given.String() + "x", given.Pin.String() + ".", strings.Repeat("a", 1<<20)} {
		if _, err := ParseToken(text); err == nil || strings.Contains(err.Error(), given.Secret) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

func TestTokenIsValidOnceAndForAnHour(t *testing.T) {
	f := folder(t)
	authority(t, f)
	given, _, err := f.Offer(Grant{Host: "web2"}, now)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(string(f), "tokens", "*"))
	if err != nil || len(files) != 1 || filepath.Base(files[0]) != hashOf(given.Secret) {
		t.Fatalf("%v, %v", files, err)
	}
	text, err := os.ReadFile(files[0])
	info, statErr := os.Stat(files[0])
	if err != nil || statErr != nil || info.Mode() != 0o600 || strings.Contains(string(text), given.Secret) {
		t.Errorf("%v %s %v %v", info.Mode(), text, err, statErr)
	}
	for _, wrong := range []string{"", "../" + hashOf(given.Secret), hashOf(given.Secret), given.String(), hex.EncodeToString([]byte(given.Secret))} {
		if _, err := f.Redeem(wrong, now); !errors.Is(err, ErrToken) {
			t.Errorf("%q: %v", wrong, err)
		}
	}
	var got atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if g, err := f.Redeem(given.Secret, now.Add(59*time.Minute)); err == nil && g.Host == "web2" {
				got.Add(1)
			}
		})
	}
	all.Wait()
	if got.Load() != 1 {
		t.Errorf("%d have got it", got.Load())
	}
	late, _, err := f.Offer(Grant{}, now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Redeem(late.Secret, now.Add(time.Hour)); !errors.Is(err, ErrToken) {
		t.Error(err)
	}
	if files, _ = filepath.Glob(filepath.Join(string(f), "tokens", "*")); len(files) != 0 {
		t.Errorf("left: %v", files)
	}
}

func TestRecords(t *testing.T) {
	f := folder(t)
	a := authority(t, f)
	c, err := a.Issue(Host{Name: "Web1"}, a.key.Public(), now)
	if err != nil {
		t.Fatal(err)
	}
	if f.Known("web1") {
		t.Error("known before")
	}
	if err := f.Record(c); err != nil {
		t.Fatal(err)
	}
	if !f.Known("WEB1") {
		t.Error("a name in other letters is another name")
	}
	if err := errors.Join(f.Forget("web1"), f.Forget("web1")); err != nil || f.Known("web1") {
		t.Error(err)
	}
}
