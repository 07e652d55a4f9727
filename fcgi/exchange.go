package fcgi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"relink/internal/hint"

	fcgiclient "github.com/tomasen/fcgi_client"
)

// maxEmptyReads is how many empty records in a row are taken for an answer. FPM
// sends one at the end of each stream.
const maxEmptyReads = 1000

// exchange sends r and reads the answer, whatever it says.
func exchange(ctx context.Context, to Address, r Request) (Response, error) {
	params, err := r.params()
	if err != nil {
		return Response{}, fmt.Errorf("call %s: %w", to, err)
	}
	if ctx.Err() != nil {
		return Response{}, ended(ctx, to, time.Now(), "before connecting")
	}
	client, err := dial(ctx, to)
	if err != nil {
		return Response{}, err
	}
	defer closeWith(ctx, client)()

	start := time.Now()
	raw, err := converse(client, params, r.Body, r.limit())
	if err != nil {
		return Response{}, explain(ctx, to, start, r.limit(), len(raw), err)
	}
	return parseAnswer(to, raw)
}

func (r Request) limit() int64 {
	if r.Limit > 0 {
		return r.Limit
	}
	return DefaultLimit
}

// closeWith closes client as soon as ctx ends, which is all that unblocks a
// read or a write of the library. The function it returns closes client in any
// case and leaves nothing running.
func closeWith(ctx context.Context, client *fcgiclient.FCGIClient) func() {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		client.Close()
	})
	return func() {
		if stop() {
			client.Close()
			return
		}
		<-closed
	}
}

// converse returns what it has read, also with an error. Do reports a request
// it could not send, but not a body: a pool may answer and close without
// reading all of it, and that answer can still be read.
func converse(client *fcgiclient.FCGIClient, params map[string]string, body []byte, limit int64) ([]byte, error) {
	stream, err := client.Do(params, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return readAll(stream, limit)
}

var errEmptyRecords = errors.New("nothing but empty records")

// readAll reads to the end of stream in memory of at most about twice the
// limit. The stream returns (0, nil) for an empty record, without end if the
// peer so wants, so that io.ReadAll would never return.
func readAll(stream io.Reader, limit int64) ([]byte, error) {
	var all []byte
	for empty := 0; ; {
		all = slices.Grow(all, 512)
		n, err := stream.Read(all[len(all):cap(all)])
		all = all[:len(all)+n]
		if empty++; n > 0 {
			empty = 0
		}
		switch {
		case int64(len(all)) > limit:
			return all, ErrTooLarge
		case err == io.EOF:
			return all, nil
		case err != nil:
			return all, err
		case empty > maxEmptyReads:
			return all, errEmptyRecords
		}
	}
}

func explain(ctx context.Context, to Address, start time.Time, limit int64, received int, err error) error {
	if errors.Is(err, ErrTooLarge) {
		return hint.With(failure(to, ErrTooLarge, fmt.Sprintf("more than the limit of %d bytes", limit)),
			"check which script the pool runs: its answer is not what was asked for")
	}
	phase := "waiting for an answer"
	if received > 0 {
		phase = "receiving the answer"
	}
	if timeout := ended(ctx, to, start, phase); timeout != nil {
		return timeout
	}
	return broken(to, received, err)
}

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
