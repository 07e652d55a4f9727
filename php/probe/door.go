package probe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"relink/internal/config"
	"relink/internal/envelope"

	"golang.org/x/sync/errgroup"
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
// DefaultTimeout.
func (d Door) Ask(ctx context.Context) (Answer, error) {
	answer, err := d.ask(ctx, envelope.NewNonce())
	if err != nil {
		return Answer{}, fmt.Errorf("ask the probe at %s: %w", d, err)
	}
	return answer, nil
}

func (d Door) ask(ctx context.Context, nonce string) (Answer, error) {
	got, err := d.fetch(ctx, request{method: http.MethodGet, nonce: nonce, limit: askLimit})
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
// ErrHidden or a *Refused. More than most bytes are fcgi.ErrTooLarge. A ctx without a deadline gives it DefaultTimeout.
func (d Door) Call(ctx context.Context, op, nonce, agentFile string, body []byte, most int64) (response []byte, status int, err error) {
	got, err := d.fetch(ctx, request{http.MethodPost, nonce, op, agentFile, body, most})
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

// Heard is what a site answered at its door.
type Heard struct {
	Door   Door
	Answer Answer
	Err    error // nil: it answered
}

const (
	parallel = 8
	patience = 10 * time.Second // for one site
)

// AskAll asks many sites, some at the same time. The answers are in the order of
// the doors.
func AskAll(ctx context.Context, doors []Door) []Heard {
	heard := make([]Heard, len(doors))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, door := range doors {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, patience)
			defer cancel()
			heard[i].Door = door
			heard[i].Answer, heard[i].Err = door.Ask(ctx)
			return nil
		})
	}
	_ = group.Wait() // none fails: what went wrong stands beside its answer
	return heard
}

// InWebServer tells whether the PHP that answered runs inside of Apache (mod_php),
// so that no pool leads to it.
func (h Heard) InWebServer() bool { return h.Err == nil && h.Answer.SAPI == "apache2handler" }
