package fpm_test

import (
	"os"
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
