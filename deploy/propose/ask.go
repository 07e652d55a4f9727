package propose

import (
	"context"
	"strings"

	"relink/deploy/front"
	"relink/internal/config"
)

// Ask asks each site that exists for its front page, as its check would do: one
// that does not answer 200 now would undo a good deploy.
func (d *Draft) Ask(ctx context.Context) error {
	for _, app := range d.Apps {
		var asked []config.Instance
		for _, site := range app.Instances {
			// A certificate fits a name, and not the address that is asked.
			if strings.HasPrefix(site.URL, "http:") && !app.New {
				asked = append(asked, config.Instance{Name: site.Name, Probe: config.Probe{URL: site.URL, Host: site.Host}})
			}
		}
		pages := front.Pages(ctx, asked)
		for i := range app.Instances {
			app.Instances[i].Status = pages[app.Instances[i].Name].Status
		}
	}
	return ctx.Err()
}
