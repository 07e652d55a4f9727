package front

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/php/probe"
)

const (
	checkMost = 1 << 20 // bytes of a body that are read

	partOfWorkers = 4 // which checks of many sites may keep busy
	atOnceMost    = 16
	atOnceUnknown = 2
)

// AtOnce is how many sites of an application are asked for a page at the same time, where
// its PHP has so many workers, 0 if nobody knows: the visitors need the others.
func AtOnce(workers int) int {
	if workers == 0 {
		return atOnceUnknown
	}
	return min(max(workers/partOfWorkers, 1), atOnceMost)
}

// ErrCheck: an instance does not serve what its check expects.
var ErrCheck = errors.New("check failed")

// Check asks every instance that has a check, and names each that
// fails, not only the first. Each has the timeout of its check, and 1 MiB of its page is
// read.
func Check(ctx context.Context, instances []config.Instance, atOnce int) error {
	failed := make([]error, len(instances))
	probe.Over(len(instances), atOnce, dial, func(i int, by *probe.Line) {
		if instances[i].Checked() {
			failed[i] = checkInstance(ctx, by, instances[i])
		}
	})
	return errors.Join(failed...)
}

// dial sends no keep-alive packets: a connection lasts for an answer or some.
var dial = (&net.Dialer{KeepAlive: -1}).DialContext

// get is about this server, by the address that the configuration gives. The host is the
// site's name for TLS too.
func get(ctx context.Context, by *probe.Line, url, host string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Host = host
	return by.Client(url, host).Do(request)
}

func checkInstance(ctx context.Context, by *probe.Line, instance config.Instance) error {
	check := *instance.Check
	ctx, cancel := context.WithTimeout(ctx, check.Timeout)
	defer cancel()
	err := askOnce(ctx, by, check)
	if err == nil {
		return nil
	}
	return hint.With(exit.As(ErrCheck, fmt.Errorf("check %s (%s): %w", instance.Name, checkName(check), err)),
		"see the site's error log; the new release answered this check wrong, or its check is wrong in the configuration")
}

func checkName(c config.Check) string {
	if c.Host == "" {
		return c.URL
	}
	return c.URL + ", Host " + c.Host
}

func askOnce(ctx context.Context, by *probe.Line, check config.Check) error {
	answer, err := get(ctx, by, check.URL, check.Host)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, checkMost))
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return judge(check, answer.StatusCode, body)
}

func judge(c config.Check, status int, body []byte) error {
	if status != c.Status {
		return fmt.Errorf("status %d, want %d", status, c.Status)
	}
	if !bytes.Contains(body, []byte(c.Contains)) {
		return fmt.Errorf("status %d, but %q is not in the first %d bytes of the answer", status, c.Contains, len(body))
	}
	return nil
}

const (
	frontPageTimeout = 10 * time.Second

	// The rest of a page is of no interest, but for what ends soon: the connection is kept then.
	restMost = 64 << 10
	restTime = 100 * time.Millisecond
)

// Page is how a site's front page was answered.
type Page struct {
	Status int // 0: not at all
	Err    error
}

// well: a redirect to a login is an answer like any other.
func (o Page) Well() bool { return o.Err == nil && o.Status < http.StatusBadRequest }

func (o Page) String() string {
	if o.Err != nil {
		return o.Err.Error()
	}
	return fmt.Sprintf("status %d", o.Status)
}

// Compared are the instances whose front page is compared with what it was
// before the switch: those that have no check of their own, and an address.
func Compared(instances []config.Instance) []config.Instance {
	return slices.DeleteFunc(slices.Clone(instances), func(i config.Instance) bool {
		return i.Check != nil || i.Probe.Off || i.Probe.URL == ""
	})
}

// Pages asks the front page of each instance, by name. Each has 10 s; of the body of its
// answer 64 KiB are read at most, for a tenth of a second.
func Pages(ctx context.Context, instances []config.Instance, atOnce int) map[string]Page {
	pages := make([]Page, len(instances))
	probe.Over(len(instances), atOnce, dial, func(i int, by *probe.Line) { pages[i] = askPage(ctx, by, instances[i].Probe) })
	all := map[string]Page{}
	for i, instance := range instances {
		all[instance.Name] = pages[i]
	}
	return all
}

func askPage(ctx context.Context, by *probe.Line, site config.Probe) Page {
	ctx, cancel := context.WithTimeout(ctx, frontPageTimeout)
	defer cancel()
	answer, err := get(ctx, by, site.URL, site.Host)
	if err != nil {
		return Page{Err: err}
	}
	defer answer.Body.Close()
	defer time.AfterFunc(restTime, cancel).Stop()
	_, _ = io.CopyN(io.Discard, answer.Body, restMost)
	return Page{Status: answer.StatusCode}
}

// Worse names each site that answered well before the switch and not after it.
func Worse(instances []config.Instance, before, after map[string]Page) error {
	var names, texts []string
	for _, instance := range instances {
		was, is := before[instance.Name], after[instance.Name]
		if was.Well() && !is.Well() {
			names = append(names, instance.Name)
			texts = append(texts, fmt.Sprintf("%s: %s before the switch, %s after it", instance.Name, was, is))
		}
	}
	if len(names) == 0 {
		return nil
	}
	return hint.With(exit.As(ErrCheck, fmt.Errorf("front page of %s", strings.Join(texts[:min(len(texts), 5)], "; "))),
		"see the site's error log; if a page that answers so is right, say what is right (`check`), or that the site is not asked (check: off)")
}
