package fleettest

import (
	"bytes"
	"net"
	"strings"
	"sync"
	"testing"

	"relink/internal/config"
)

// link is the way of one command to etcd, and what happens on it.
type link struct {
	to string
	l  net.Listener

	mu     sync.Mutex
	cut    bool   // nothing comes through
	at     string // what is sent that ends the connection, once
	passes bool   // it reaches etcd first
	open   []net.Conn
}

func newLink(t *testing.T, c config.Fleet) *link {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	k := &link{to: strings.TrimPrefix(c.Etcd.Endpoints[0], "http://"), l: l}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() { k.pass(in) })
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		k.sever(true)
		serving.Wait()
	})
	return k
}

// sever ends what is open; off: and lets nothing through any more.
func (k *link) sever(off bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.cut = off
	for _, c := range k.open {
		_ = c.Close()
	}
	k.open = nil
}

// lose ends the connection once that is sent; passes: it reaches etcd, and the answer is lost.
func (k *link) lose(at string, passes bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.at, k.passes = at, passes
}

func (k *link) keep(c net.Conn) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.cut {
		_ = c.Close()
		return false
	}
	k.open = append(k.open, c)
	return true
}

func (k *link) pass(in net.Conn) {
	out, err := net.Dial("tcp", k.to)
	if err != nil {
		_ = in.Close()
		return
	}
	if !k.keep(in) || !k.keep(out) {
		_ = in.Close()
		_ = out.Close()
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		buffer := make([]byte, 64<<10)
		for {
			n, err := out.Read(buffer)
			if _, failed := in.Write(buffer[:n]); err != nil || failed != nil {
				return
			}
		}
	})
	defer back.Wait()
	buffer := make([]byte, 64<<10)
	for {
		n, err := in.Read(buffer)
		if end, passes := k.ends(buffer[:n]); end {
			if passes {
				_, _ = out.Write(buffer[:n]) // and its answer is lost
			}
			_ = in.Close()
			return // out ends with the test: etcd has its time to write
		}
		if _, failed := out.Write(buffer[:n]); err != nil || failed != nil {
			_ = in.Close()
			_ = out.Close()
			return
		}
	}
}

func (k *link) ends(sent []byte) (end, passes bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.at == "" || !bytes.Contains(sent, []byte(k.at)) {
		return false, false
	}
	k.at = ""
	return true, k.passes
}
