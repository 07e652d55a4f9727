package propose

import (
	"context"
	"net/http"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	askTimeout  = 5 * time.Second
	askParallel = 8
)

// Ask asks each site that exists for its front page, as its check would do: one
// that does not answer 200 now would undo a good deploy.
func (d *Draft) Ask(ctx context.Context) error {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy, transport.DisableKeepAlives = nil, true
	client := &http.Client{Transport: transport, Timeout: askTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	var group errgroup.Group
	group.SetLimit(askParallel)
	for i := range d.Apps {
		for j := range d.Apps[i].Instances {
			// A certificate fits a name, and not the address that is asked.
			if site := &d.Apps[i].Instances[j]; strings.HasPrefix(site.URL, "http:") && !d.Apps[i].New {
				group.Go(func() error { site.Status = answer(ctx, client, site.URL, site.Host); return nil })
			}
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func answer(ctx context.Context, client *http.Client, url, host string) int {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0
	}
	request.Host = host
	response, err := client.Do(request)
	if err != nil {
		return 0
	}
	response.Body.Close()
	return response.StatusCode
}
