// Package fcgi makes one FastCGI call to a PHP-FPM pool, reads the pool's
// status page, and names what can go wrong with either.
//
// The wire is github.com/tomasen/fcgi_client, of which only DialTimeout and Do
// are used: its Request expects an HTTP status line, which no FastCGI responder
// sends. Three of its traits show through. It mixes FCGI_STDERR into
// FCGI_STDOUT, so text of FPM and of PHP's log may stand before the header
// (Response.Noise) and anywhere in the body. It drops what END_REQUEST says. And
// it reads a connection that is closed between two records as a complete answer:
// Call notices an early close only if the CGI header is not complete, if a
// record is cut, or if the body is shorter than its Content-Length. Whoever
// must know that an answer is whole puts a length and a checksum into it.
package fcgi

import (
	"context"
	"fmt"
	"maps"
	"net/textproto"
	"path"
	"strconv"
	"strings"

	"relink/internal/hint"
)

// DefaultLimit bounds an answer for which Request.Limit says nothing: 64 MiB.
const DefaultLimit = 64 << 20

// Request is one request for a script. It is sent by POST as
// application/octet-stream if it has a body, else by GET.
type Request struct {
	Script string            // SCRIPT_FILENAME, as the pool sees it
	Params map[string]string // beside or instead of the standard ones
	Body   []byte
	Limit  int64 // most bytes of answer, header and noise included; 0 means DefaultLimit
}

// Response is what the pool answered. Status is 200 if the header names none.
type Response struct {
	Status int
	Header textproto.MIMEHeader
	Body   []byte // stdout and stderr as they came
	Noise  []byte // what came on stderr before the header was complete
}

// Call sends one request over a connection of its own and reads the answer. It
// lasts until the answer is complete or ctx ends, which closes the connection;
// a ctx without a deadline waits as long as all workers of the pool are busy.
// PHP goes on with the request after Call has given up. An answer of more than
// r.Limit bytes, or of 64 MiB where that is 0, is ErrTooLarge.
//
// An answer that FPM gives in the script's stead is an error: ErrScriptNotFound,
// ErrScriptUnreadable or ErrExtension. The Response then holds that answer. Any
// other status, 404 and 500 too, is the script's own business and no error.
func Call(ctx context.Context, to Address, r Request) (Response, error) {
	answer, err := exchange(ctx, to, r)
	if err != nil {
		return answer, err
	}
	return answer, refusal(to, r.Script, answer)
}

// maxParam is what fcgi_client puts into one record (maxWrite less eight bytes
// of lengths). It cuts a longer value silently.
const maxParam = 65500 - 8

// params gives the CGI variables of r: those of RFC 3875 that PHP reads, and
// the caller's over them.
func (r Request) params() (map[string]string, error) {
	all := map[string]string{
		"GATEWAY_INTERFACE": "CGI/1.1",
		"SERVER_PROTOCOL":   "HTTP/1.1",
		"SERVER_SOFTWARE":   "relink",
		"SERVER_NAME":       "localhost",
		"SERVER_ADDR":       "127.0.0.1",
		"SERVER_PORT":       "80",
		"REMOTE_ADDR":       "127.0.0.1",
		"REMOTE_PORT":       "0",
		"REQUEST_METHOD":    "GET",
		"DOCUMENT_ROOT":     path.Dir(r.Script),
		"SCRIPT_FILENAME":   r.Script,
		"SCRIPT_NAME":       r.Script,
		"QUERY_STRING":      "",
		"REQUEST_URI":       strings.TrimSuffix(r.Script+"?"+r.Params["QUERY_STRING"], "?"),
	}
	if len(r.Body) > 0 {
		all["REQUEST_METHOD"] = "POST"
		all["CONTENT_TYPE"] = "application/octet-stream"
		all["CONTENT_LENGTH"] = strconv.Itoa(len(r.Body))
	}
	maps.Copy(all, r.Params)
	return all, checkParams(all)
}

func checkParams(params map[string]string) error {
	for name, value := range params {
		switch strings.ToUpper(name) {
		case "PHP_VALUE", "PHP_ADMIN_VALUE":
			// fpm_main.c applies them by zend_alter_ini_entry at the stage of
			// activation, which nothing takes back at the request's end.
			return hint.With(fmt.Errorf("%w: %s would change the worker's settings for the rest of its life", ErrParam, name),
				"use ini_set() in the script")
		}
		if len(name)+len(value) > maxParam {
			return fmt.Errorf("%w: %.40q has %d bytes, at most %d fit", ErrParam, name, len(name)+len(value), maxParam)
		}
	}
	return nil
}
