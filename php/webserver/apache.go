package webserver

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"relink/internal/trust"
)

// apacheSites has Apache print its configuration as it understands it: with all
// included files, conditions, macros and variables resolved. That is what
// mod_info does for "-t -D DUMP_CONFIG"; for this run alone it is loaded by -C,
// if the configuration does not load it.
func (s server) apacheSites(ctx context.Context) ([]Site, error) {
	args, file, err := apacheArgs(s.args)
	if err != nil {
		return nil, err
	}
	if module := s.infoModule(); module != "" {
		args = append([]string{"-C", `LoadModule info_module "` + module + `"`}, args...)
	}
	printed, err := s.print(ctx, file, append(args, "-t", "-D", "DUMP_CONFIG", "-D", "DUMP_RUN_CFG"))
	if err != nil {
		return nil, err
	}
	conf, err := parseApache(printed)
	if err != nil {
		return nil, err
	}
	if len(conf.directives) == 0 {
		return nil, errors.New("it cannot print its configuration: mod_info.so is not beside its other modules")
	}
	return conf.sites(s.pid), nil
}

// apacheArgs keeps of a command line what decides about the configuration, and
// names the file of it if that can be told. -k, -X, -E and the like act.
func apacheArgs(line []string) (args []string, file string, err error) {
	root := ""
	for _, o := range options(line, "dfDCcEekn") {
		switch o.name {
		case "-d":
			root = o.value
		case "-f":
			file = o.value
		case "-D", "-C", "-c":
			args = append(args, o.name, o.value)
		}
	}
	return configured(args, option{"-d", root}, option{"-f", file})
}

// infoModule is the file of mod_info beside the modules that the server has
// loaded; "" if it has mod_info already, or there is none that may be loaded.
func (s server) infoModule() string {
	f, err := os.Open(s.proc("maps"))
	if err != nil {
		return ""
	}
	defer f.Close()
	folder := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		_, path, mapped := strings.Cut(lines.Text(), "/")
		name := filepath.Base(path)
		switch {
		case !mapped || !strings.HasPrefix(name, "mod_") || !strings.HasSuffix(name, ".so"):
		case name == "mod_info.so":
			return ""
		case folder == "":
			folder = "/" + filepath.Dir(path)
		}
	}
	module := filepath.Join(folder, "mod_info.so")
	if folder == "" || strings.ContainsAny(module, "\"\\") || trust.Check(module) != nil {
		return ""
	}
	return module
}

// sites are the virtual hosts, and the main server where it answers.
func (c apacheConf) sites(pid int) (sites []Site) {
	main := slices.DeleteFunc(slices.Clone(c.directives), func(d directive) bool { return d.name == "virtualhost" })
	listens := c.listens()
	taken := map[listen]bool{}
	for _, d := range named(c.directives, "virtualhost") {
		own := append([]directive{}, d.children...) // never nil, which is the main server
		tls := secured(own, main)
		site := c.site(main, own)
		site.PID, site.From = pid, d.from()
		for _, l := range listens {
			if slices.ContainsFunc(d.args, func(address string) bool { _, ok := l.meet(address); return ok }) {
				taken[l] = true
			}
		}
		site.URL = apacheURL(d.args, listens, tls)
		sites = append(sites, site)
	}
	rest := slices.DeleteFunc(slices.Clone(listens), func(l listen) bool { return taken[l] })
	if len(rest) > 0 && len(main) > 0 {
		site := c.site(main, nil)
		site.PID, site.From, site.URL = pid, main[0].from(), reach(rest, secured(nil, main))
		sites = append(sites, site)
	}
	return sites
}

func (c apacheConf) site(main, own []directive) Site {
	site := Site{Server: Apache, Hosts: apacheHosts(own), DocumentRoot: c.root(main, own)}
	if own == nil {
		site.Hosts = apacheHosts(main)
	}
	site.Handler, site.Pool = phpOf(main, own, site.DocumentRoot)
	return site
}

// apacheHosts drops scheme and port of ServerName, which it may have.
func apacheHosts(list []directive) (hosts []string) {
	if name, found := last(list, "servername"); found {
		if _, rest, ok := strings.Cut(name, "://"); ok {
			name = rest
		}
		name, _, _ = strings.Cut(name, ":")
		hosts = append(hosts, name)
	}
	for _, d := range named(list, "serveralias") {
		hosts = append(hosts, d.args...)
	}
	return hosts
}

// root is VirtualDocumentRoot where there is one: mod_vhost_alias maps before
// the core does.
func (c apacheConf) root(main, own []directive) string {
	for _, name := range []string{"virtualdocumentroot", "documentroot"} {
		for _, list := range [][]directive{own, main} {
			value, found := last(list, name)
			if !found || name == "virtualdocumentroot" && strings.EqualFold(value, "none") {
				continue
			}
			if !filepath.IsAbs(value) {
				value = filepath.Join(c.serverRoot, value)
			}
			return value
		}
	}
	return c.documentRoot
}

func secured(own, main []directive) bool {
	value, _ := last(slices.Concat(main, own), "sslengine")
	return strings.EqualFold(value, "on") || strings.EqualFold(value, "optional")
}
