package propose

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"relink/deploy/front"
	"relink/internal/config"
)

// Asked is how a site is asked: a check, or a probe.
type Asked struct{ URL, Host string }

// CommonCheck is one check for all instances, where their hosts follow a pattern.
func (a App) CommonCheck() *Asked {
	host, fits := a.hostPattern()
	if !fits || len(a.Instances) == 0 {
		return nil
	}
	url := a.Instances[0].URL
	for _, i := range a.Instances {
		if i.URL != url || strings.HasPrefix(i.URL, "https:") {
			return nil
		}
	}
	return &Asked{cmp.Or(url, "http://127.0.0.1/"), host}
}

// Pass tells whether each instance would pass its check now.
func (a App) Pass() bool {
	return !slices.ContainsFunc(a.Instances, func(i Instance) bool { return i.Status != 200 })
}

// hostPattern is {instance}.example.org for hosts that are made so of the names.
func (a App) hostPattern() (pattern string, fits bool) {
	for _, i := range a.Instances {
		before, after, found := strings.Cut(i.Host, i.Name)
		own := before + config.InstancePlaceholder + after
		if !found || pattern != "" && own != pattern {
			return "", false
		}
		pattern = own
	}
	return pattern, pattern != ""
}

// Ask asks each site that exists for its front page, as its check would do: one
// that does not answer 200 now would undo a good deploy. Each has 10 s, and of its answer
// only the header is read.
func (d *Draft) Ask(ctx context.Context) error {
	for _, app := range d.Apps {
		var asked []config.Instance
		for _, site := range app.Instances {
			// A certificate fits a name, and not the address that is asked.
			if strings.HasPrefix(site.URL, "http:") && !app.New {
				asked = append(asked, config.Instance{Name: site.Name, Probe: config.Probe{URL: site.URL, Host: site.Host}})
			}
		}
		pages := front.Pages(ctx, asked, front.AtOnce(0))
		for i := range app.Instances {
			app.Instances[i].Status = pages[app.Instances[i].Name].Status
		}
	}
	return ctx.Err()
}
