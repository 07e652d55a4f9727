package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"relink/internal/config"
	"relink/internal/envelope"
	"relink/internal/hint"
)

// Door is the way to the script of one site, through the web server.
type Door struct {
	App   string
	Site  string // the instance; "" where one is asked alone
	URL   string // of the document root: "http://127.0.0.1:8080/"
	Host  string // sent as Host and, by TLS, as the server's name; "" is the URL's
	Token string
	Name  string // of the script
}

// Door makes the door of a site of the application.
func (s Secret) Door(app, url, host string) Door {
	return Door{App: app, URL: url, Host: host, Token: s.Token(app), Name: s.Name(app)}
}

// Doors are those of the instances that have an address to be asked at.
func (s Secret) Doors(app string, instances []config.Instance) []Door {
	var doors []Door
	for _, instance := range instances {
		if at := instance.Probe; !at.Off && at.URL != "" {
			door := s.Door(app, at.URL, at.Host)
			door.Site = instance.Name
			doors = append(doors, door)
		}
	}
	return doors
}

// String names the site, without the token and without a password in the URL.
func (d Door) String() string {
	at := d.URL
	if parsed, err := url.Parse(d.URL); err == nil {
		at = parsed.Redacted()
	}
	if d.Host != "" {
		at += " (host " + d.Host + ")"
	}
	return at
}

func (d Door) script() string { return strings.TrimRight(d.URL, "/") + "/" + d.Name }

const askLimit = 64 << 10

// Ask has the script tell which PHP answers. A ctx without a deadline gives it
// DefaultTimeout. An answer of more than 64 KiB is fcgi.ErrTooLarge.
func (d Door) Ask(ctx context.Context) (Answer, error) {
	return d.askBy(ctx, d.client())
}

func (d Door) askBy(ctx context.Context, by *http.Client) (Answer, error) {
	answer, err := d.ask(ctx, by)
	if err != nil {
		return Answer{}, fmt.Errorf("ask the probe at %s: %w", d, err)
	}
	return answer, nil
}

func (d Door) ask(ctx context.Context, by *http.Client) (Answer, error) {
	nonce := envelope.NewNonce()
	got, err := d.fetch(ctx, by, request{method: http.MethodGet, nonce: nonce, limit: askLimit})
	if err != nil {
		return Answer{}, err
	}
	payload, err := envelope.Probe.Open(got.body, nonce)
	if err != nil {
		return Answer{}, got.missing(nonce, err)
	}
	return parse(payload)
}

// Call has the script run the agent, which must lie under the name agentFile in
// the folder that the script was made for. It gives what came back with the
// agent's envelope somewhere in it, or the reason why the agent did not run:
// ErrHidden or a *Refused. More than most bytes are fcgi.ErrTooLarge. A ctx without
// a deadline gives it DefaultTimeout, 10 s.
func (d Door) Call(ctx context.Context, op, nonce, agentFile string, body []byte, most int64) (response []byte, status int, err error) {
	got, err := d.fetch(ctx, d.client(), request{http.MethodPost, nonce, op, agentFile, body, most})
	if err != nil {
		return nil, got.status, err
	}
	if payload, err := envelope.Probe.Open(got.body, nonce); err == nil {
		return got.body, got.status, refusal(payload)
	}
	_, err = envelope.Agent.Open(got.body, nonce)
	if err == nil || bytes.Contains(got.body, []byte(string(envelope.Agent)+nonce)) {
		return got.body, got.status, nil // the caller judges it
	}
	return got.body, got.status, got.missing(nonce, err)
}

func refusal(payload []byte) error {
	w, err := decode(payload)
	if err != nil {
		return err
	}
	if w.Refused == "" {
		return errors.New("the probe answered in the agent's stead")
	}
	return &Refused{Reason: w.Refused, File: w.File}
}

// Answer is what the PHP of a site tells about itself. Paths are that PHP's own:
// the ones of its chroot or container, if it has one.
type Answer struct {
	File         string    `json:"file"`     // the script that ran, by real path
	Filename     string    `json:"filename"` // SCRIPT_FILENAME, literally as the web server sent it
	DocumentRoot string    `json:"document_root"`
	ContextRoot  string    `json:"context_root"` // CONTEXT_DOCUMENT_ROOT; only Apache sends it
	ScriptName   string    `json:"script_name"`
	SAPI         string    `json:"sapi"` // "fpm-fcgi", "apache2handler"
	PHPVersion   string    `json:"php"`
	ThreadSafe   bool      `json:"thread_safe"` // PHP runs in threads, of which a pid may have many
	PID          int       `json:"pid"`
	ParentPID    int       `json:"parent"` // 0 without the posix extension
	CacheStart   time.Time `json:"-"`      // when the OPcache began; zero where it cannot be asked

	RevalidatePath     bool   `json:"revalidate_path"`     // opcache.revalidate_path
	ValidateTimestamps bool   `json:"validate_timestamps"` // opcache.validate_timestamps
	UserINI            string `json:"user_ini"`            // user_ini.filename; "" where the SAPI reads none
}

// wireAnswer is an Answer, or the reason why the agent was not run.
type wireAnswer struct {
	Answer
	Refused string `json:"refused"`
	Started int64  `json:"cache_start"` // in seconds
}

// decode gives an answer that is whole, or why the agent was not run.
func decode(payload []byte) (w wireAnswer, err error) {
	err = json.Unmarshal(payload, &w)
	for _, text := range []*string{&w.File, &w.Filename, &w.DocumentRoot, &w.ContextRoot, &w.ScriptName, &w.UserINI} {
		if err == nil {
			*text, err = envelope.Unescape(*text)
		}
	}
	if err != nil {
		return w, fmt.Errorf("%w: %w", envelope.ErrCorrupt, err)
	}
	return w, nil
}

func parse(payload []byte) (Answer, error) {
	w, err := decode(payload)
	if err != nil {
		return Answer{}, err
	}
	if w.File == "" || w.SAPI == "" || w.PID < 0 || w.ParentPID < 0 || w.Started < 0 {
		return Answer{}, fmt.Errorf("%w: it reads %s", envelope.ErrCorrupt, envelope.Excerpt(payload))
	}
	if w.Started > 0 {
		w.CacheStart = time.Unix(w.Started, 0)
	}
	return w.Answer, nil
}

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
	case p.status == http.StatusForbidden:
		return hint.With(err, "let requests for relink-*.php in the document root pass to PHP, at least from this machine (Apache: Require; nginx: deny; rules that allow index.php only; a web application firewall), and let the web server's user read the release")
	case p.status == http.StatusServiceUnavailable:
		return hint.With(fmt.Errorf("%w: %w", ErrServer, err), "if it is a maintenance page, let requests for relink-*.php pass it, or take it away and look with \"relink health --check front-door\"; else look in the error logs of the web server and of PHP")
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
