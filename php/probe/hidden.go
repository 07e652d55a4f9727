package probe

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"

	"relink/internal/envelope"
	"relink/internal/hint"
)

// missing says what came in place of the script's answer, and what to change.
func (p page) missing(nonce string, cause error) error {
	if errors.Is(cause, envelope.ErrTruncated) {
		return hint.With(fmt.Errorf("status %d: %w", p.status, cause), "look in the error logs of the web server and of PHP: the worker crashed or was killed during the answer")
	}
	err := fmt.Errorf("%w: status %d, %s", ErrHidden, p.status, envelope.Excerpt(p.body))
	switch {
	case p.status >= 300 && p.status < 400:
		return hint.With(fmt.Errorf("%w: status %d to %q", ErrHidden, p.status, p.location),
			"set probe.url and probe.host so that this site answers by itself (https:// instead of http://, or the host that it redirects to)")
	case p.status == http.StatusUnauthorized:
		return hint.With(err, "let requests from this machine pass without a password, or write it as user:password@ in probe.url")
	case p.status == http.StatusRequestEntityTooLarge:
		return hint.With(err, "allow bodies of 512 KiB (Apache: LimitRequestBody, nginx: client_max_body_size)")
	case p.status >= 500:
		return hint.With(fmt.Errorf("%w: %w", ErrServer, err), "look in the error logs of the web server and of PHP")
	case p.isOld(nonce):
		return hint.With(err, "an answer to an earlier request came: keep caches from storing what the script answers with Cache-Control: no-store")
	case p.status == http.StatusOK:
		return hint.With(err, "another page answered: send requests for relink-*.php in the document root to PHP (rules that send all to index.php hide it), and check probe.url and probe.host")
	}
	return hint.With(err, "send requests for relink-*.php in the document root to PHP (rules that allow index.php only hide it); "+
		"a site that serves a release from before the probe has none until its next deploy")
}

// isOld: there is a mark, and the nonce of this request is not in it.
func (p page) isOld(nonce string) bool {
	return !bytes.Contains(p.body, []byte(nonce)) &&
		(bytes.Contains(p.body, []byte("\n"+envelope.Probe)) || bytes.Contains(p.body, []byte("\n"+envelope.Agent)))
}
