package fcgi_test

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"relink/fcgi"
)

// The record types of the FastCGI specification that the tests speak.
const (
	typeEnd    = 3
	typeParams = 4
	typeStdin  = 5
	typeStdout = 6
	typeStderr = 7
)

// shortDir is a folder whose path leaves room for a socket's name.
func shortDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "f")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func listen(t testing.TB, network string) (net.Listener, fcgi.Address) {
	t.Helper()
	at := "127.0.0.1:0"
	if network == "unix" {
		at = filepath.Join(shortDir(t), "s")
	}
	listener, err := net.Listen(network, at)
	if err != nil {
		t.Fatal(err)
	}
	return listener, fcgi.Address{Network: network, Path: listener.Addr().String()}
}

// respond lets script talk to each connection, and waits at the test's end
// until each has ended.
func respond(t testing.TB, network string, script func(net.Conn)) fcgi.Address {
	t.Helper()
	listener, address := listen(t, network)
	var running sync.WaitGroup
	running.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer conn.Close()
				script(conn)
			})
		}
	})
	t.Cleanup(running.Wait)
	t.Cleanup(func() { listener.Close() })
	return address
}

// answers reads the request, sends the records and closes.
func answers(records ...[]byte) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(conn)
		for _, record := range records {
			conn.Write(record)
		}
	}
}

// stalls reads the request, sends the records and waits until the other side
// closes.
func stalls(received chan<- struct{}, records ...[]byte) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(conn)
		for _, record := range records {
			conn.Write(record)
		}
		received <- struct{}{}
		io.Copy(io.Discard, conn)
	}
}

func record(kind byte, content string) []byte {
	header := []byte{1, kind, 0, 1, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(header[4:], uint16(len(content)))
	return append(header, content...)
}

func stdout(content string) []byte { return record(typeStdout, content) }
func stderr(content string) []byte { return record(typeStderr, content) }
func end() []byte                  { return record(typeEnd, "\x00\x00\x00\x00\x00\x00\x00\x00") }

// readRequest reads to the end of stdin.
func readRequest(conn io.Reader) (params map[string]string, body []byte, err error) {
	var pairs []byte
	for {
		kind, content, err := readRecord(conn)
		switch {
		case err != nil:
			return nil, nil, err
		case kind == typeParams:
			pairs = append(pairs, content...)
		case kind == typeStdin && len(content) == 0:
			return parsePairs(pairs), body, nil
		case kind == typeStdin:
			body = append(body, content...)
		}
	}
}

func readRecord(r io.Reader) (kind byte, content []byte, err error) {
	var header [8]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	length := int(binary.BigEndian.Uint16(header[4:]))
	content = make([]byte, length+int(header[6]))
	_, err = io.ReadFull(r, content)
	return header[1], content[:length], err
}

func parsePairs(pairs []byte) map[string]string {
	params := map[string]string{}
	for len(pairs) > 0 {
		var size [2]int
		for i := range size {
			size[i], pairs = parseSize(pairs)
		}
		params[string(pairs[:size[0]])] = string(pairs[size[0] : size[0]+size[1]])
		pairs = pairs[size[0]+size[1]:]
	}
	return params
}

func parseSize(b []byte) (int, []byte) {
	if b[0] < 0x80 {
		return int(b[0]), b[1:]
	}
	return int(binary.BigEndian.Uint32(b) &^ (1 << 31)), b[4:]
}
