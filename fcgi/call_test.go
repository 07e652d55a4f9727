package fcgi_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"relink/fcgi"
	"relink/internal/hint"
)

// patience bounds what must not hang; no test waits for it to pass.
const patience = 30 * time.Second

func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func TestCallGivesTheAnswer(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		t.Run(network, func(t *testing.T) {
			to := respond(t, network, answers(
				stderr("PHP message: noise\n"),
				stdout("Status: 201 Created\r\nX-A: 1\r\nX-A: 2\r\n"),
				stderr("PHP message: more\n"),
				stdout("Content-type: text/plain\r\n\r\nbo"),
				stderr("[inside]"), stdout("dy"), stderr(""), stdout(""), end()))

			got, err := fcgi.Call(bounded(t), to, fcgi.Request{Script: "/x.php"})
			if err != nil {
				t.Fatal(err)
			}
			want := fcgi.Response{
				Status: 201,
				Header: textproto.MIMEHeader{"Status": {"201 Created"}, "X-A": {"1", "2"}, "Content-Type": {"text/plain"}},
				Body:   []byte("bo[inside]dy"),
				Noise:  []byte("PHP message: noise\nPHP message: more\n"),
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestCallSendsTheRequest(t *testing.T) {
	type request struct {
		Params map[string]string
		Body   string
	}
	received := make(chan request, 1)
	to := respond(t, "unix", func(conn net.Conn) {
		params, body, _ := readRequest(conn)
		received <- request{params, string(body)}
		conn.Write(stdout("Content-type: text/plain\r\n\r\n"))
		conn.Write(end())
	})
	standard := map[string]string{
		"GATEWAY_INTERFACE": "CGI/1.1", "SERVER_PROTOCOL": "HTTP/1.1", "SERVER_SOFTWARE": "relink",
		"SERVER_NAME": "localhost", "SERVER_ADDR": "127.0.0.1", "SERVER_PORT": "80",
		"REMOTE_ADDR": "127.0.0.1", "REMOTE_PORT": "0", "REQUEST_METHOD": "GET",
		"DOCUMENT_ROOT": "/srv/a", "SCRIPT_FILENAME": "/srv/a/x.php", "SCRIPT_NAME": "/srv/a/x.php",
		"QUERY_STRING": "", "REQUEST_URI": "/srv/a/x.php",
	}
	with := func(more map[string]string) map[string]string {
		all := map[string]string{}
		for _, some := range []map[string]string{standard, more} {
			for name, value := range some {
				all[name] = value
			}
		}
		return all
	}
	large := strings.Repeat("0123456789abcdef", 1<<14)
	for _, c := range []struct {
		name string
		send fcgi.Request
		want request
	}{
		{"get", fcgi.Request{Script: "/srv/a/x.php"}, request{Params: standard}},
		{"post of several records", fcgi.Request{Script: "/srv/a/x.php", Body: []byte(large)},
			request{with(map[string]string{"REQUEST_METHOD": "POST", "CONTENT_TYPE": "application/octet-stream", "CONTENT_LENGTH": "262144"}), large}},
		{"params over the standard ones", fcgi.Request{Script: "/srv/a/x.php", Params: map[string]string{"QUERY_STRING": "a=b", "SERVER_NAME": "club1", "LONG": large[:60000]}},
			request{with(map[string]string{"QUERY_STRING": "a=b", "SERVER_NAME": "club1", "REQUEST_URI": "/srv/a/x.php?a=b", "LONG": large[:60000]}), ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := fcgi.Call(bounded(t), to, c.send); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, <-received); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParamsThatAreNotSent(t *testing.T) {
	to := respond(t, "unix", func(net.Conn) { t.Error("a refused parameter opened a connection") })
	for name, value := range map[string]string{
		"PHP_VALUE":       "memory_limit=77M",
		"PHP_ADMIN_VALUE": "memory_limit=77M",
		"php_Value":       "memory_limit=77M",
		"TOO_LONG":        strings.Repeat("x", 65500),
	} {
		_, err := fcgi.Call(bounded(t), to, fcgi.Request{Script: "/x.php", Params: map[string]string{name: value}})
		if !errors.Is(err, fcgi.ErrParam) {
			t.Errorf("%s: %v, want ErrParam", name, err)
		}
	}
}

func TestBrokenAnswers(t *testing.T) {
	header := stdout("Content-type: text/plain\r\nContent-Length: 10\r\n\r\n")
	for _, c := range []struct {
		name   string
		script func(net.Conn)
		want   error
	}{
		{"closed before the request is read", func(net.Conn) {}, fcgi.ErrReset},
		{"closed before an answer", answers(), fcgi.ErrReset},
		{"ended without an answer", answers(end()), fcgi.ErrReset},
		{"reset before an answer", resets(), fcgi.ErrReset},
		{"reset after the header", resets(header), fcgi.ErrTruncated},
		{"cut in the first record", answers(header[:20]), fcgi.ErrTruncated},
		{"cut in a record's header", answers(header, stdout("body")[:5]), fcgi.ErrTruncated},
		{"cut in a record", answers(header, stdout("body")[:10]), fcgi.ErrTruncated},
		{"header not complete", answers(stdout("Content-type: text/plain\r\n"), end()), fcgi.ErrTruncated},
		{"noise alone", answers(stderr("PHP message: dying\n"), end()), fcgi.ErrTruncated},
		{"shorter than its Content-Length", answers(header, stdout("body"), end()), fcgi.ErrTruncated},
		{"a web server", answersAtOnce("HTTP/1.1 400 Bad Request\r\n\r\n"), fcgi.ErrProtocol},
		{"nothing but empty records", floods(stdout("")), fcgi.ErrProtocol},
		{"empty records after the header", floods(stdout(""), header), fcgi.ErrProtocol},
		{"a status that is no number", answers(stdout("Status: OK\r\n\r\n"), end()), fcgi.ErrProtocol},
	} {
		for _, network := range []string{"unix", "tcp"} {
			t.Run(c.name+" "+network, func(t *testing.T) {
				to := respond(t, network, c.script)
				_, err := fcgi.Call(bounded(t), to, fcgi.Request{Script: "/x.php"})
				wantError(t, err, c.want, to.String())
			})
		}
	}
}

// wantError checks kind, message and that there is a hint.
func wantError(t testing.TB, err, kind error, parts ...string) {
	t.Helper()
	if !errors.Is(err, kind) {
		t.Fatalf("got %v, want %v", err, kind)
	}
	if len(hint.Of(err)) == 0 {
		t.Errorf("no hint with %v", err)
	}
	text := err.Error() + "\nhint: " + strings.Join(hint.Of(err), "\nhint: ")
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q does not name %q", text, part)
		}
	}
}

// resets ends the connection by RST: over TCP by SO_LINGER 0, on a unix socket
// by what is left unread.
func resets(records ...[]byte) func(net.Conn) {
	return func(conn net.Conn) {
		if tcp, ok := conn.(*net.TCPConn); ok {
			readRequest(conn)
			tcp.SetLinger(0)
		} else {
			readRecord(conn)
		}
		for _, record := range records {
			conn.Write(record)
		}
	}
}

func answersAtOnce(text string) func(net.Conn) {
	return func(conn net.Conn) {
		io.WriteString(conn, text)
		io.Copy(io.Discard, conn)
	}
}

// floods sends the first records, then record without end.
func floods(record []byte, first ...[]byte) func(net.Conn) {
	return func(conn net.Conn) {
		answers(first...)(conn)
		many := bytes.Repeat(record, 1000)
		for {
			if _, err := conn.Write(many); err != nil {
				return
			}
		}
	}
}

func TestAnswersAreBounded(t *testing.T) {
	const limit = 1 << 16
	header := stdout("Content-type: text/plain\r\n\r\n")
	for _, c := range []struct {
		name   string
		record []byte
		first  []byte
	}{
		{"body", stdout(strings.Repeat("x", 60000)), header},
		{"header", stdout(strings.Repeat("x", 60000)), nil},
		{"stderr", stderr("PHP message: x\n"), nil},
		{"bytes between empty records", append(stdout(""), stderr("x")...), header},
	} {
		t.Run(c.name, func(t *testing.T) {
			to := respond(t, "unix", floods(c.record, c.first))
			answer, err := fcgi.Call(bounded(t), to, fcgi.Request{Script: "/x.php", Limit: limit})
			wantError(t, err, fcgi.ErrTooLarge, "65536 bytes")
			if len(answer.Body) > 0 {
				t.Errorf("%d bytes of an answer that is too large", len(answer.Body))
			}
		})
	}
}

func TestAnswerOfTheLimitFits(t *testing.T) {
	const header = "Content-type: text/plain\r\n\r\n"
	to := respond(t, "unix", answers(stdout(header), stdout(strings.Repeat("x", 1000)), end()))
	_, err := fcgi.Call(bounded(t), to, fcgi.Request{Script: "/x.php", Limit: int64(len(header) + 1000)})
	if err != nil {
		t.Error(err)
	}
	_, err = fcgi.Call(bounded(t), to, fcgi.Request{Script: "/x.php", Limit: int64(len(header) + 999)})
	wantError(t, err, fcgi.ErrTooLarge)
}

// A peer that refuses a large body answers and closes while the body is being
// written. That fails, and the answer is there nevertheless.
func TestAnswerBeforeTheBodyIsRead(t *testing.T) {
	for _, network := range []string{"unix", "tcp"} {
		to := respond(t, network, func(conn net.Conn) {
			readRecord(conn)
			conn.Write(stdout("Status: 413 Too Large\r\n\r\n"))
			conn.Write(end())
		})
		answer, err := fcgi.Call(bounded(t), to, fcgi.Request{Script: "/x.php", Body: make([]byte, 16<<20)})
		if err != nil || answer.Status != 413 {
			t.Errorf("%s: status %d, error %v", network, answer.Status, err)
		}
	}
}
