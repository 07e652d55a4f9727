package deploy

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"relink/deploy/apps"
	"relink/internal/exit"
	"relink/internal/hint"

	"golang.org/x/sync/errgroup"
)

// pageAnswer is how a site's front page was answered.
type pageAnswer struct {
	status int // 0: not at all
	err    error
}

// well: a redirect to a login is an answer like any other.
func (o pageAnswer) well() bool { return o.err == nil && o.status < http.StatusBadRequest }

func (o pageAnswer) String() string {
	if o.err != nil {
		return o.err.Error()
	}
	return fmt.Sprintf("status %d", o.status)
}

// compared are the instances whose front page is compared with what it was
// before the switch: those that have no check of their own, and an address.
func compared(instances []apps.Instance) []apps.Instance {
	return slices.DeleteFunc(slices.Clone(instances), func(i apps.Instance) bool {
		return i.Unchecked || i.Check != nil || i.Address.Off || i.Address.URL == ""
	})
}

// frontPages asks the front page of each instance, by name.
func frontPages(ctx context.Context, instances []apps.Instance) map[string]pageAnswer {
	outcomes := make([]pageAnswer, len(instances))
	client := &http.Client{Transport: checkTransport(), CheckRedirect: dontFollow}
	defer client.CloseIdleConnections()
	var group errgroup.Group
	group.SetLimit(checkParallel)
	for i, instance := range instances {
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, checkTimeout)
			defer cancel()
			outcomes[i] = frontPage(ctx, client, instance.Address)
			return nil
		})
	}
	_ = group.Wait() // none fails: what went wrong stands in its pageAnswer
	all := map[string]pageAnswer{}
	for i, instance := range instances {
		all[instance.Name] = outcomes[i]
	}
	return all
}

func frontPage(ctx context.Context, client *http.Client, address apps.Address) pageAnswer {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address.URL, nil)
	if err != nil {
		return pageAnswer{err: err}
	}
	request.Host = address.Host
	answer, err := client.Do(request)
	if err != nil {
		return pageAnswer{err: err}
	}
	defer answer.Body.Close()
	return pageAnswer{status: answer.StatusCode}
}

// worse names each site that answered well before the switch and not after it.
func worse(instances []apps.Instance, before, after map[string]pageAnswer) error {
	var names, texts []string
	for _, instance := range instances {
		was, is := before[instance.Name], after[instance.Name]
		if was.well() && !is.well() {
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

// ask notes, right before the switch, how the front pages are answered.
func (r *run) ask(instances []apps.Instance) step[map[string]pageAnswer] {
	return func(ctx context.Context) (map[string]pageAnswer, string, error) {
		asked := compared(instances)
		if len(asked) == 0 {
			return nil, "", nil
		}
		pages := frontPages(ctx, asked)
		for _, instance := range asked {
			if pages[instance.Name].well() {
				r.journal.Well = append(r.journal.Well, instance.Name) // a recovery compares too
			}
		}
		return pages, fmt.Sprintf("%d of %d front pages are well", len(r.journal.Well), len(asked)), ctx.Err()
	}
}
