package front

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
)

const frontPageTimeout = 10 * time.Second

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

// Pages asks the front page of each instance, by name.
func Pages(ctx context.Context, instances []config.Instance) map[string]Page {
	pages := make([]Page, len(instances))
	each(instances, func(i int, instance config.Instance) { pages[i] = askPage(ctx, instance.Probe) })
	all := map[string]Page{}
	for i, instance := range instances {
		all[instance.Name] = pages[i]
	}
	return all
}

func askPage(ctx context.Context, site config.Probe) Page {
	ctx, cancel := context.WithTimeout(ctx, frontPageTimeout)
	defer cancel()
	answer, err := get(ctx, site.URL, site.Host)
	if err != nil {
		return Page{Err: err}
	}
	defer answer.Body.Close()
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
