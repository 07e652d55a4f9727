package sandbox

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// statusPage asks a pool for its status page by hand, so that a fault of
// package fcgi, whose tests run on this sandbox, does not hide one of it.
func statusPage(t *testing.T, pool PoolInfo, query string) string {
	t.Helper()
	network, address, _ := strings.Cut(pool.Address, ":")
	conn, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write(request(pool.StatusPath, query)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatal(err)
	}
	return string(answer)
}

// request is a FastCGI request of records BEGIN_REQUEST (1), PARAMS (4) and STDIN (5).
func request(path, query string) []byte {
	var params []byte
	for _, pair := range [][2]string{{"SCRIPT_NAME", path}, {"SCRIPT_FILENAME", path}, {"REQUEST_METHOD", "GET"}, {"QUERY_STRING", query}} {
		params = append(params, byte(len(pair[0])), byte(len(pair[1])))
		params = append(params, pair[0]+pair[1]...)
	}
	records := record(1, []byte{0, 1, 0, 0, 0, 0, 0, 0})
	records = append(records, record(4, params)...)
	records = append(records, record(4, nil)...)
	return append(records, record(5, nil)...)
}

func record(kind byte, content []byte) []byte {
	header := []byte{1, kind, 0, 1, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(header[4:], uint16(len(content)))
	return append(header, content...)
}
