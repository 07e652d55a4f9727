package depot

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"relink/deploy/fleet/ca"
	"relink/deploy/source"
	"relink/deploy/source/dir"
	"relink/deploy/source/sourcetest"

	"github.com/rs/zerolog"
)

func must(t testing.TB, errs ...error) {
	t.Helper()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
}

// authority makes the certificates of a fleet.
type authority struct {
	t  testing.TB
	in ca.Folder
}

func newAuthority(t testing.TB) authority {
	t.Helper()
	a := authority{t, ca.Folder(t.TempDir())}
	_, err := a.in.MakeAuthority("test", time.Now())
	must(t, err)
	return a
}

func (a authority) host(name string) ca.Folder {
	a.t.Helper()
	f := ca.Folder(a.t.TempDir())
	signs, err := a.in.Authority()
	must(a.t, err)
	key, err := f.MakeHostKey()
	must(a.t, err)
	own, err := signs.Issue(ca.Host{Name: name}, key.Public(), time.Now())
	must(a.t, err, f.Trust(signs.Certificate), f.Keep(own))
	return f
}

// host is one with a depot that it hands out.
type host struct {
	*Depot
	name     string
	address  string
	releases []string
	sent     atomic.Int64 // bytes, as they are on the wire
	cutAt    atomic.Int64 // bytes after which connections end; 0: they do not
	stop     func()
}

func newHost(t testing.TB, a authority, name string) *host {
	t.Helper()
	h := &host{name: name}
	h.Depot = In(t.TempDir(), a.host(name), func() ([]string, error) { return h.releases, nil })
	h.patience = time.Second
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	h.address = l.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- h.Serve(ctx, counted{l, h}, zerolog.Nop()) }()
	stopped := false
	h.stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(h.stop)
	return h
}

// counted counts what goes out, and cuts.
type counted struct {
	net.Listener
	*host
}

func (l counted) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return countedConn{c, l.host}, err
}

type countedConn struct {
	net.Conn
	*host
}

func (c countedConn) Write(p []byte) (int, error) {
	if most := c.cutAt.Load(); most > 0 && c.sent.Load() > most {
		c.cutAt.Store(0)
		return 0, errors.Join(net.ErrClosed, c.Conn.Close())
	}
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

func (h *host) peer() Peer { return Peer{h.name, h.address} }

// from is what another host hands out.
func (h *host) from(id string, others ...Peer) *Source {
	h.Having = func(context.Context, string) ([]Peer, error) { return others, nil }
	return &Source{Depot: h.Depot, ID: id, Ref: "v1"}
}

// takes takes a folder.
func (h *host) takes(t testing.TB, folder string) string {
	t.Helper()
	found, err := dir.New(folder).Resolve(t.Context(), "v1")
	must(t, err)
	id, err := h.Take(t.Context(), found, nil)
	must(t, err)
	return id
}

// application writes files of some kilobytes.
func application(t testing.TB, files int) (folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "app")
	for n := range files {
		sourcetest.WriteFile(t, filepath.Join(folder, fmt.Sprintf("public/part%d/file%d.php", n%10, n)), strings.Repeat(fmt.Sprintf("<?php %d;", n), 500))
	}
	must(t, filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		old := time.Date(2024, 1, 2, 3, 4, 5, 6, time.UTC)
		return errors.Join(err, os.Chtimes(path, old, old))
	}))
	return folder
}

// A release that comes from another host is held against the contract of all sources.
func TestSource(t *testing.T) {
	a := newAuthority(t)
	sourcetest.Run(t, func(t *testing.T, tree string) source.Source {
		first, second := newHost(t, a, "web1"), newHost(t, a, "web2")
		return second.from(first.takes(t, tree), first.peer())
	})
}

// Only what the other host does not have crosses the network: of the list, too.
func TestOnlyWhatHasChanged(t *testing.T) {
	a := newAuthority(t)
	first, second := newHost(t, a, "web1"), newHost(t, a, "web2")
	folder := application(t, 300)
	_, before := sourcetest.Fetch(t, second.from(first.takes(t, folder), first.peer()), "v1")
	second.releases = []string{before}
	must(t, os.RemoveAll(filepath.Join(second.dir, filesDir)))
	changed := map[string]string{"public/part1/file1.php": "new", "public/new/file.php": "<?php", "public/index.php": "<?php 2"}
	for name, text := range changed {
		sourcetest.WriteFile(t, filepath.Join(folder, name), text)
	}
	must(t, os.Remove(filepath.Join(folder, "public/part2/file2.php")))
	old := time.Now().Add(-time.Hour)
	for name := range changed {
		must(t, os.Chtimes(filepath.Join(folder, name), old, old))
	}
	id, sent := first.takes(t, folder), first.sent.Load()
	_, into := sourcetest.Fetch(t, second.from(id, first.peer()), "v1")
	if got, want := sourcetest.Tree(t, into), sourcetest.Tree(t, folder); len(got) != len(want) || got["public/index.php"] != want["public/index.php"] || got["public/part2/file2.php"] != "" {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
	fetched := second.Fetched(id)
	if fetched == nil || fetched.Files != 3 || fetched.Of != 301 || fetched.Bytes != 15 || strings.Join(fetched.From, " ") != "web1" {
		t.Errorf("%+v", fetched)
	}
	if sent = first.sent.Load() - sent; sent > 10<<10 {
		t.Errorf("%d bytes were sent for 15 of contents", sent)
	}
	t.Logf("%+v, %d bytes on the wire", fetched, sent)
}

// After a cut the transfer goes on where it was, in the middle of a file.
func TestCutOff(t *testing.T) {
	a := newAuthority(t)
	first, second := newHost(t, a, "web1"), newHost(t, a, "web2")
	folder := application(t, 200)
	large := bytes.Repeat([]byte("0123456789abcdef"), 1<<18) // 4 MiB
	sourcetest.WriteFile(t, filepath.Join(folder, "public/large.bin"), string(large))
	id := first.takes(t, folder)
	first.cutAt.Store(2 << 20)
	_, into := sourcetest.Fetch(t, second.from(id, first.peer()), "v1")
	sourcetest.WantFile(t, filepath.Join(into, "public/large.bin"), string(large))
	if first.cutAt.Load() != 0 {
		t.Error("it was not cut off")
	}
	l, err := second.read(id)
	must(t, err)
	if sent := first.sent.Load(); sent > l.bytes()+1<<20 {
		t.Errorf("%d bytes were sent of %d: it has begun anew", sent, l.bytes())
	}
	if fetched := second.Fetched(id); fetched.Files != 201 || fetched.Bytes >= l.bytes() {
		t.Errorf("%+v", fetched)
	}
}

// A host that has fetched hands out, too: from the release that it has made of it.
func TestAnyHostHandsOut(t *testing.T) {
	a := newAuthority(t)
	first, second, third := newHost(t, a, "web1"), newHost(t, a, "web2"), newHost(t, a, "web3")
	folder := application(t, 50)
	id := first.takes(t, folder)
	_, made := sourcetest.Fetch(t, second.from(id, first.peer()), "v1")
	if whole := second.Whole(); len(whole) != 1 || whole[0] != id {
		t.Fatalf("%q", whole)
	}
	second.releases = []string{made}
	must(t, os.RemoveAll(filepath.Join(second.dir, filesDir)), os.Mkdir(filepath.Join(second.dir, filesDir), 0o700))
	first.stop()
	sourcetest.Fetch(t, third.from(id, first.peer(), second.peer()), "v1")
	if fetched := third.Fetched(id); strings.Join(fetched.From, " ") != "web2" {
		t.Errorf("%+v", fetched)
	}
}

// liar is a host of the fleet that answers with the list, and with other contents.
func liar(t *testing.T, a authority, name string, honest *host) Peer {
	t.Helper()
	settings, err := serving(a.host(name))
	must(t, err)
	s := &server{Depot: honest.Depot, log: zerolog.Nop()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+listPath+"{id}", func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(name, "list") {
			r.SetPathValue("id", honest.ids()[0])
		}
		s.list(w, r)
	})
	mux.HandleFunc("POST "+filesPath+"{id}", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, strings.NewReader(strings.Repeat("evil", 1<<16)))
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	web := &http.Server{Handler: mux, TLSConfig: settings, ReadHeaderTimeout: time.Second}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = web.ServeTLS(l, "", "") }()
	t.Cleanup(func() { web.Close(); <-ended })
	return Peer{name, l.Addr().String()}
}

// A peer that lies can make it fail, and nothing else.
func TestLiars(t *testing.T) {
	a := newAuthority(t)
	first := newHost(t, a, "web1")
	id := first.takes(t, application(t, 5))
	evil := liar(t, a, "evil", first)
	alone := newHost(t, a, "web2").from(id, evil)
	r, err := alone.Resolve(t.Context(), "v1")
	must(t, err)
	into := sourcetest.Staging(t)
	if err := r.Fetch(t.Context(), into, nil); !errors.Is(err, ErrLying) || !strings.Contains(err.Error(), "evil") {
		t.Errorf("%v", err)
	}
	for name, is := range sourcetest.Tree(t, into) {
		if strings.Contains(is, "evil") {
			t.Errorf("%s: %s", name, is)
		}
	}
	if left, err := os.ReadDir(filepath.Join(alone.Depot.dir, filesDir)); err != nil || len(left) != 0 {
		t.Errorf("%v is left, %v", left, err)
	}
	sourcetest.Fetch(t, newHost(t, a, "web3").from(id, evil, first.peer()), "v1")

	other := newHost(t, a, "web4")
	other.takes(t, application(t, 3))
	if _, err := newHost(t, a, "web5").from(id, liar(t, a, "list", other)).Resolve(t.Context(), "v1"); !errors.Is(err, ErrLying) {
		t.Errorf("%v", err)
	}
}

// Nobody asks without a certificate of the fleet's authority, nor below TLS 1.3.
func TestWhoMayAsk(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	first := newHost(t, a, "web1")
	id := first.takes(t, application(t, 1))
	ours, err := asking(a.host("web2"))
	must(t, err)
	ours.ServerName = "web1"
	theirs, err := asking(b.host("web2"))
	must(t, err)
	none, foreign, old := ours.Clone(), ours.Clone(), ours.Clone()
	none.Certificates, foreign.Certificates = nil, theirs.Certificates
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	for name, test := range map[string]struct {
		settings *tls.Config
		at       string
		want     int // 0: no answer
	}{
		"ours":         {ours, listPath + id, http.StatusOK},
		"none":         {none, listPath + id, 0},
		"foreign":      {foreign, listPath + id, 0},
		"old":          {old, listPath + id, 0},
		"another list": {ours, listPath + strings.Repeat("0", 64), http.StatusNotFound},
		"a path":       {ours, listPath + "..%2f..%2fetc%2fpasswd", http.StatusNotFound},
	} {
		transport := &http.Transport{TLSClientConfig: test.settings, DisableKeepAlives: true}
		answer, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Get("https://" + first.address + test.at)
		got := 0
		if err == nil {
			got = answer.StatusCode
			answer.Body.Close()
		}
		if got != test.want {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	// Nor does this host believe another authority, or another host.
	for name, f := range map[string]ca.Folder{"web1": b.host("web2"), "web9": a.host("web2")} {
		s := newHost(t, a, "web3").from(id, Peer{name, first.address})
		s.Depot.own = f
		_, err := s.Resolve(t.Context(), "v1")
		if certificate := new(tls.CertificateVerificationError); !errors.As(err, &certificate) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := asking(ca.Folder(t.TempDir())); err == nil {
		t.Error("without certificates")
	}
}

// Without anybody who has it, it ends, and says what to do.
func TestNobodyHasIt(t *testing.T) {
	s := newHost(t, newAuthority(t), "web1").from(strings.Repeat("0", 64))
	_, err := s.Resolve(t.Context(), "v1")
	if !errors.Is(err, ErrNobody) {
		t.Error(err)
	}
	sourcetest.WantHint(t, err, "fleet.serve")
}

// What is not wanted goes, but for the last two.
func TestPrune(t *testing.T) {
	h := newHost(t, newAuthority(t), "web1")
	folder := application(t, 3)
	var ids []string
	for n := range 5 {
		sourcetest.WriteFile(t, filepath.Join(folder, "version"), fmt.Sprint(n))
		ids = append(ids, h.takes(t, folder))
		then := time.Now().Add(time.Duration(n-100) * time.Minute)
		must(t, os.Chtimes(h.listPath(ids[n]), then, then))
	}
	must(t, os.Mkdir(filepath.Join(h.dir, takingName+"1"), 0o700), os.WriteFile(filepath.Join(h.dir, filesDir, "00"+partSuffix), nil, 0o600))
	must(t, h.Prune(t.Context(), []string{ids[0]}))
	if got := h.Whole(); len(got) != 3 {
		t.Errorf("%d are left", len(got))
	}
	for n, there := range []bool{true, false, false, true, true} {
		if _, err := h.read(ids[n]); (err == nil) != there {
			t.Errorf("%d: %v", n, err)
		}
	}
	left, err := os.ReadDir(filepath.Join(h.dir, filesDir))
	if err != nil || len(left) != 3+3 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
	must(t, h.Prune(t.Context(), nil), In(t.TempDir(), "", nil).Prune(t.Context(), nil))
	if info, err := os.Stat(h.dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}
