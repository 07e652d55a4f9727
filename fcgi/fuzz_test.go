package fcgi

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"relink/internal/damagetest"
)

// FuzzHeader checks that no answer, however broken, is lost or made up: what
// the parser gives back was there, and in that order.
func FuzzHeader(f *testing.F) {
	for _, seed := range []string{
		"",
		"\r\nhi",
		"X-Powered-By: PHP/8.2.36\r\nContent-type: text/html; charset=UTF-8\r\n\r\nbody",
		"Primary script unknownStatus: 404 Not Found\r\nContent-type: text/html\r\n\r\nFile not found.\n",
		"PHP message: a\r\nb: c\r\n\r\nxxX-Powered-By: PHP/8.2.36\r\n\r\nhi",
		"PHP message: a\r\nb: c\r\n\r\nhi",
		"Status: 2000000\r\n\r\n",
		"Content-Length: 99999999999999999999\r\n\r\n",
		"Status: 200\r\nContent-Length: 10\r\n\r\nshort",
		"\n\n\r\n\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	for text := range damagetest.Of([]byte("PHP message: a\r\nStatus: 404 Not Found\r\nContent-type: text/html\r\n\r\nbody")) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		answer, err := parseAnswer(Address{"unix", "/s"}, bytes.Clone(raw))
		if err != nil {
			if !errors.Is(err, ErrReset) && !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrProtocol) {
				t.Fatalf("unnamed error %v", err)
			}
			return
		}
		if answer.Status < 100 || answer.Status > 999 {
			t.Errorf("status %d", answer.Status)
		}
		if !bytes.HasSuffix(raw, answer.Body) {
			t.Errorf("body %q is not the end of %q", answer.Body, raw)
		}
		if len(answer.Noise)+len(answer.Body)+2 > len(raw) {
			t.Errorf("noise %q and body %q overlap in %q", answer.Noise, answer.Body, raw)
		}
		for name := range answer.Header {
			if !strings.Contains(strings.ToLower(string(raw)), strings.ToLower(name)+":") {
				t.Errorf("field %q is not in %q", name, raw)
			}
		}
	})
}

// FuzzStatus checks the figures of what passes for a status page.
func FuzzStatus(f *testing.F) {
	for _, file := range []string{"testdata/status-unescaped.json", "testdata/status-wrapped.json", "testdata/status-8.2.json"} {
		page, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(page)
	}
	f.Add([]byte(`{"pool":"www","processes":[`))
	for text := range damagetest.Of([]byte(`{"pool":"www","listen queue":1,"processes":[{"pid":7,"state":"Idle","requests":3,"request uri":"/a?b"}]}`)) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		status, err := parseStatus(page)
		if err != nil {
			return
		}
		if status.Pool == "" || len(status.Processes) == 0 || status.ListenQueue < 0 || status.AcceptedConn < 0 {
			t.Errorf("%+v", status)
		}
		for _, p := range status.Processes {
			if p.PID < 0 || p.RequestDuration < 0 || p.Requests < 0 {
				t.Errorf("%+v", p)
			}
		}
	})
}
