package opcache

import (
	"context"
	"errors"
	"sync"

	"relink/fcgi"
	"relink/internal/hint"
	"relink/php"
	"relink/php/apache"
	"relink/php/fpm"
)

// Pool is one FastCGI address, or the PHP inside of a web server, and the workers
// behind it.
type Pool struct {
	php.Pool
	Agent  *php.Agent  // which goes through a door where FastCGI brings no answer
	Status php.Status  // as it answered first
	Err    error       // why it did not answer; all else is zero then
	direct *php.Agent  // by FastCGI only
	doors  *knownDoors // nil: there are none
	master int         // pid of the FPM master, or of Apache, where this host can see it, else 0

	mu    sync.Mutex
	last  []fcgi.Process // the last listing of its workers
	blind bool           // the pool has no status page
	leads map[int]bool   // which of the doors lead to it, as far as they have answered
}

// NewPool prepares to ask a pool. Through the doors workers are reached that take no
// call from elsewhere.
func NewPool(at php.Pool, ways *knownDoors) *Pool {
	p := &Pool{Pool: at, blind: at.StatusPath == ""}
	if p.direct, p.Err = php.NewAgent(at); p.Err != nil {
		return p
	}
	p.Agent = p.direct
	if ways != nil && !p.InWebServer() {
		p.doors, p.Agent = ways, p.direct.WithDetour(p)
	}
	return p
}

func (p *Pool) Address() string { return p.Pool.String() }
func (p *Pool) name() string    { return "pool " + p.Address() }

// Ask learns which process and which cache answers.
func (p *Pool) Ask(ctx context.Context) error {
	if p.Agent == nil {
		return p.Err
	}
	status, err := p.Agent.Status(ctx)
	if p.Err = err; err != nil {
		return err
	}
	parentOf := fpm.MasterOf
	if p.InWebServer() {
		parentOf = apache.ParentOf
	}
	p.Status, p.master = status, parentOf(ctx, status.Worker.PID, status.Worker.ParentPID)
	return nil
}

func explainHang(err error) error {
	if !errors.Is(err, fcgi.ErrTimeout) {
		return err
	}
	return hint.With(err, "if the site works meanwhile, its workers are pinned by persistent connections, and the probe of no site leads to them: "+
		"set `probe`, take enablereuse=on out of Apache's handler (nginx: fastcgi_keep_conn), or run with --reset=never and know that old code stays until FPM is reloaded")
}
