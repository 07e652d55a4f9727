package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"relink/deploy/propose"
	"relink/health"
	"relink/internal/ui"
	"relink/php/webserver"
)

// ConfigInit is the command that makes a configuration.
const ConfigInit = "relink config init"

// Unconfigured is the diagnosis of a machine on which relink has no configuration: what
// runs there, by what health has found of its pools and caches. The servers have the time
// and the room that propose.Look gives them.
func Unconfigured(ctx context.Context, file string, f health.Facts, results []health.Result) (Diagnosis, error) {
	found, err := propose.Look(ctx)
	if err != nil {
		return Diagnosis{}, err
	}
	summary, err := propose.Propose(found).Summary()
	if err != nil {
		return Diagnosis{}, err
	}
	missing := health.Result{
		Check: "configuration", Subject: file, State: health.Critical, Blocks: true,
		Message: "there is none", Fix: "let " + ConfigInit + " propose one from what runs here, or name yours with --config",
	}
	if slices.ContainsFunc(found.Sites, func(s webserver.Site) bool { return s.Handler == webserver.ModPHP }) {
		results = slices.DeleteFunc(slices.Clone(results), func(r health.Result) bool { return r.Subject == health.NoPools })
	}
	d := Diagnose("", append([]health.Result{missing}, results...), ConfigInit)
	d.Seen = append(servers(found.Sites), caches(f)...)
	for line := range strings.Lines(summary) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "pool ") { // the checks tell of them
			d.Seen = append(d.Seen, line)
		}
	}
	return d, nil
}

func servers(sites []webserver.Site) []string {
	var seen []string
	for _, server := range []string{webserver.Apache, webserver.Nginx} {
		of := slices.DeleteFunc(slices.Clone(sites), func(s webserver.Site) bool { return s.Server != server })
		if len(of) > 0 {
			seen = append(seen, fmt.Sprintf("%s serves %s", server, ui.Plural(len(of), "virtual host")))
		}
	}
	if len(seen) == 0 {
		seen = append(seen, "no Apache and no nginx runs here, or none that this user may ask")
	}
	return seen
}

func caches(f health.Facts) []string {
	var seen []string
	for _, m := range f.Masters {
		if m.Err == nil {
			seen = append(seen, fmt.Sprintf("PHP %s, OPcache of %s, %s", m.PHPVersion, ui.Bytes(m.Memory.TotalBytes), ui.FirstFew(m.Pools)))
		}
	}
	return seen
}
