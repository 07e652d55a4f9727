package fpm_test

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"relink/fcgi"
	"relink/internal/sandbox"
	"relink/php/fpm"
)

// A worker takes the connections of its own pool and of no other, whatever the kind
// of its address.
func TestTakes(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{Pools: []sandbox.Pool{
		{Name: "www", Workers: 1}, {Name: "other", Workers: 1}, {Name: "tcp", Workers: 1, TCP: true}, {Name: "tcp2", Workers: 1, TCP: true},
	}})
	for _, of := range p.server.Pools() {
		pids, err := p.server.WorkerPIDs(of.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, to := range p.server.Pools() {
			address := check[fcgi.Address](t)(fcgi.ParseAddress(to.Address))
			takes, err := fpm.Takes(pids[0], address)
			if err != nil || takes != (of.Name == to.Name) {
				t.Errorf("a worker of %s takes connections of %s: %v %v", of.Name, to.Name, takes, err)
			}
		}
	}
	address := check[fcgi.Address](t)(fcgi.ParseAddress(p.server.Pool("www").Address))
	if takes, err := fpm.Takes(os.Getpid(), address); takes || err != nil {
		t.Errorf("this process: %v %v", takes, err)
	}
}

// A newline in the path of a socket forges a line of /proc/net/unix: that a socket which
// this process holds is another's.
func TestNobodyTakesByAForgedLine(t *testing.T) {
	dir, err := os.MkdirTemp("/tmp", "r")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listen := func(path string) *os.File {
		l := check[net.Listener](t)(net.Listen("unix", path))
		file := check[*os.File](t)(l.(*net.UnixListener).File())
		t.Cleanup(func() { file.Close(); l.Close() })
		return file
	}
	address := check[fcgi.Address](t)(fcgi.ParseAddress("unix:" + dir + "/a"))
	if err := os.WriteFile(dir+"/a", nil, 0o600); err != nil { // of a pool that is not this process's
		t.Fatal(err)
	}
	own := check[os.FileInfo](t)(listen(dir + "/b").Stat())
	forged := fmt.Sprintf("%s\n0: 2 0 00010000 1 1 %d ", dir, own.Sys().(*syscall.Stat_t).Ino)
	if err := os.MkdirAll(forged+dir, 0o700); err != nil {
		t.Fatal(err)
	}
	listen(forged + dir + "/a")
	if takes, err := fpm.Takes(os.Getpid(), address); takes || err != nil {
		t.Errorf("%v %v", takes, err)
	}
}
