// Package load puts an HTTP load on a server, closed-loop or of a constant rate, and
// remembers of every answer when it began and ended, its status and which release made it.
package load

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"relink/internal/pace"
)

// Options of a load. Each of Clients asks one page after the other, the hosts
// and paths in turn: a closed loop, in which a client that waits asks nothing, so that a
// stall shows as one long answer per client. With Rate it is an open loop: requests begin
// at their times whether or not others have been answered, as visitors come, and a stall
// shows as a long answer to everybody who came meanwhile.
type Options struct {
	URL     string   // base URL; the Host header is one of Hosts
	Hosts   []string // none: the URL's own
	Paths   []string // none: "/"
	Clients int      // 0 is 1
	Rate    float64  // requests in a second, in place of Clients

	// Release says which release made an answer; "" counts as an error, for
	// such an answer cannot be judged. nil: every answer is of release "".
	Release func(body []byte, header http.Header) string

	Timeout time.Duration // of one request; 0 is 60 s
	Pause   time.Duration // of each client between two requests
}

// maxBody bounds what is read of one answer, in bytes.
const maxBody = 16 << 20

// Load is a load that runs.
type Load struct {
	options Options
	client  *http.Client
	cancel  context.CancelFunc
	clients sync.WaitGroup
	log     *recorder
	stop    sync.Once
}

// Run starts the load. It runs until Stop or until ctx ends; Stop must be
// called in both cases.
func Run(ctx context.Context, o Options) (*Load, error) {
	o.Clients, o.Timeout = cmp.Or(o.Clients, 1), cmp.Or(o.Timeout, time.Minute)
	base, err := url.Parse(o.URL)
	if err != nil || base.Host == "" {
		return nil, fmt.Errorf("load: %q is no base URL", o.URL)
	}
	if len(o.Hosts) == 0 {
		o.Hosts = []string{base.Host}
	}
	if len(o.Paths) == 0 {
		o.Paths = []string{"/"}
	}
	ctx, cancel := context.WithCancel(ctx)
	l := &Load{options: o, cancel: cancel, log: &recorder{seen: Result{Start: time.Now(), hosts: o.Hosts}}, client: newClient(o)}
	if o.Rate > 0 {
		l.clients.Go(func() { l.arrive(ctx) })
		return l, nil
	}
	for i := range o.Clients {
		l.clients.Go(func() { l.loop(ctx, i) })
	}
	return l, nil
}

// openIdle is how many connections an open loop keeps: each holds a process of mod_php.
const openIdle = 4

func newClient(o Options) *http.Client {
	idle := o.Clients
	if o.Rate > 0 {
		idle = openIdle
	}
	return &http.Client{
		Timeout: o.Timeout,
		Transport: &http.Transport{
			MaxIdleConns:        idle,
			MaxIdleConnsPerHost: idle,
			DisableCompression:  true,
		},
		// A redirect is an answer like any other; following it would hide it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// loop is one client. The clients begin at different places of the round, so
// that they do not ask the same page at the same time.
func (l *Load) loop(ctx context.Context, number int) {
	round := len(l.options.Hosts) * len(l.options.Paths)
	for at := number * round / l.options.Clients; ctx.Err() == nil; at++ {
		l.once(ctx, at, time.Now())
		if l.options.Pause > 0 {
			_ = pace.Wait(ctx, l.options.Pause)
		}
	}
}

// arrive is the open loop. A request's time counts from when it was to begin, also where
// the machine has let this loop wait.
func (l *Load) arrive(ctx context.Context) {
	every := time.Duration(float64(time.Second) / l.options.Rate)
	began := time.Now()
	for at := 0; ctx.Err() == nil; at++ {
		due := began.Add(time.Duration(at) * every)
		_ = pace.Wait(ctx, time.Until(due))
		l.clients.Go(func() { l.once(ctx, at, due) })
	}
}

// once makes the request of that number, whose time counts from begin. Hosts turn
// fastest; each round over the hosts moves on by one path. What the end of the load cut
// off is not counted: it was not the server's doing.
func (l *Load) once(ctx context.Context, at int, begin time.Time) {
	hosts, paths := len(l.options.Hosts), len(l.options.Paths)
	host, path := at%hosts, (at/hosts)%paths
	release, err := l.get(ctx, l.options.Hosts[host], l.options.Paths[path])
	end := time.Now()
	if err != nil {
		if ctx.Err() != nil {
			return
		}
		err = fmt.Errorf("%s%s: %w", l.options.Hosts[host], l.options.Paths[path], err)
	}
	l.log.add(sample{begin: begin.Sub(l.log.seen.Start), took: end.Sub(begin), host: int16(host), failed: err != nil}, release, err)
}

func (l *Load) get(ctx context.Context, host, path string) (release string, err error) {
	body, header, err := fetch(ctx, l.client, l.options.URL+path, host)
	if header == nil || l.options.Release == nil {
		return "", err
	}
	if release = l.options.Release(body, header); release == "" && err == nil {
		err = fmt.Errorf("the answer does not tell its release: %.200q", body)
	}
	return release, err
}

// Fetch makes one request over a connection of its own, and reads 16 MiB of the answer. A
// status other than 2xx is an error.
func Fetch(ctx context.Context, url, host string) (body []byte, header http.Header, err error) {
	client := newClient(Options{})
	defer client.CloseIdleConnections()
	return fetch(ctx, client, url, host)
}

func fetch(ctx context.Context, client *http.Client, url, host string) (body []byte, header http.Header, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, nil, err
	}
	request.Host = host
	response, err := client.Do(request)
	if err != nil {
		return nil, nil, err
	}
	defer response.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(response.Body, maxBody)); err != nil {
		return nil, nil, err
	}
	if response.StatusCode < 200 || response.StatusCode > 299 {
		err = fmt.Errorf("status %d", response.StatusCode)
	}
	return body, response.Header, err
}

// Stop ends the load, waits for its clients and gives the result. Requests in
// flight are cut off and not counted. Further calls give the same result.
func (l *Load) Stop() Result {
	l.stop.Do(func() {
		l.cancel()
		l.clients.Wait()
		l.client.CloseIdleConnections()
		l.log.close(time.Now())
	})
	return l.Result()
}

// Result is what has been answered so far.
func (l *Load) Result() Result { return l.log.result() }
