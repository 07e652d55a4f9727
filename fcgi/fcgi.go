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
	"net/textproto"
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
// PHP goes on with the request after Call has given up.
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
