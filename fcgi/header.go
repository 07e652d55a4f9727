package fcgi

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"relink/internal/hint"
)

// parseAnswer splits a complete answer into header and body.
func parseAnswer(to Address, raw []byte) (Response, error) {
	if len(raw) == 0 {
		return Response{}, broken(to, 0, io.EOF)
	}
	answer, ok := splitHeader(raw)
	if !ok {
		return answer, truncated(to, "%d bytes without a complete CGI header: %.200q", len(raw), raw)
	}
	if err := answer.readStatus(); err != nil {
		return answer, hint.With(failure(to, ErrProtocol, err), "check that a PHP-FPM pool listens on %s", to)
	}
	return answer, checkLength(to, answer)
}

// splitHeader finds the CGI header (RFC 3875, section 6), which FPM sends in one
// piece and with CRLF. Stderr may stand before it, and nothing parts the two
// (sapi_cgi_log_fastcgi in fpm_main.c): "Primary script unknownStatus: 404 Not
// Found". If logged text has what looks like a header, one with a field that PHP
// itself writes is preferred.
func splitHeader(raw []byte) (answer Response, ok bool) {
	answer = newResponse()
	var second *Response
	for rest := raw; ; {
		end := bytes.IndexByte(rest, '\n') + 1
		if end == 0 {
			break
		}
		line := rest[:end]
		rest = rest[end:]
		text, isCRLF := bytes.CutSuffix(line, []byte("\r\n"))
		switch {
		case !isCRLF:
			answer.Noise = append(answer.Noise, line...)
		case len(text) > 0:
			answer.take(text)
		case answer.isFromPHP():
			answer.Body = rest
			return answer, true
		default:
			if second == nil && len(answer.Header) > 0 {
				second = &Response{Status: answer.Status, Header: answer.Header, Body: rest, Noise: answer.Noise}
			}
			answer = newResponse()
			answer.Noise = bytes.Clone(raw[:len(raw)-len(rest)])
		}
	}
	if second != nil {
		return *second, true
	}
	return Response{Noise: raw}, false
}

func newResponse() Response {
	return Response{Status: http.StatusOK, Header: textproto.MIMEHeader{}}
}

// ownFields are those with which a header of PHP begins: sapi_cgi_send_headers
// writes the status first, and expose_php adds its field before any script.
var ownFields = []string{"Status: ", "X-Powered-By: ", "Content-type: ", "Content-Type: "}

func (r *Response) isFromPHP() bool {
	return len(r.Noise) == 0 || slices.ContainsFunc(ownFields, func(field string) bool { return r.Header.Get(strings.TrimSuffix(field, ": ")) != "" })
}

// take adds a line to the header or to the noise. The first field of the header
// may stick to noise.
func (r *Response) take(line []byte) {
	if len(r.Header) == 0 {
		start := 0
		for _, field := range ownFields {
			start = max(start, bytes.LastIndex(line, []byte(field)))
		}
		r.Noise = append(r.Noise, line[:start]...)
		line = line[start:]
	}
	if !r.addHeader(line) {
		r.Noise = append(append(r.Noise, line...), "\r\n"...)
	}
}

// addHeader reports whether line is a header field, and takes it if so.
func (r *Response) addHeader(line []byte) bool {
	name, value, found := bytes.Cut(line, []byte(":"))
	if !found || !token.Match(name) {
		return false
	}
	r.Header.Add(string(name), string(bytes.TrimSpace(value)))
	return true
}

// token is RFC 9110's.
var token = regexp.MustCompile("^[a-zA-Z0-9!#$%&'*+.^_`|~-]+$")

// readStatus takes the status from "Status: 404 Not Found".
func (r *Response) readStatus() error {
	field := r.Header.Get("Status")
	if field == "" {
		return nil
	}
	code, _, _ := strings.Cut(field, " ")
	status, err := strconv.Atoi(code)
	if err != nil || status < 100 || status > 999 {
		return fmt.Errorf("status %.40q", field)
	}
	r.Status = status
	return nil
}

// checkLength notices a body that is shorter than its header says. A longer one
// has stderr in it.
func checkLength(to Address, answer Response) error {
	want, err := strconv.ParseInt(answer.Header.Get("Content-Length"), 10, 64)
	if err != nil || int64(len(answer.Body)) >= want {
		return nil
	}
	return truncated(to, "%d of %d bytes", len(answer.Body), want)
}
