package webserver

import (
	"cmp"
	"net"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// script stands for the requests that PHP answers.
const script = "/index.php"

// Sections in the order in which Apache merges them: later ones win
// (docs/2.4/sections.html). What mod_mime chooses gives way to any SetHandler,
// and ProxyPass comes before all of them.
const (
	rankMime = iota
	rankPlain
	rankDirectory
	rankFiles
	rankLocation
	rankIf
)

type choice struct {
	rank    int
	handler string
}

// phpOf tells what runs script in a virtual host: the sections of the main
// server are merged before its own.
func phpOf(main, own []directive, root string) (handler, pool string) {
	for _, list := range [][]directive{own, main} {
		target, found := proxied(list, "")
		if found && target != "!" {
			return proxyPHP(target, main)
		}
		if found {
			break
		}
	}
	var choices []choice
	for _, list := range [][]directive{main, own} {
		choices = append(choices, handlers(list, root, rankPlain)...)
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return cmp.Compare(a.rank, b.rank) })
	if len(choices) == 0 {
		return "", ""
	}
	switch chosen := choices[len(choices)-1].handler; {
	case strings.HasPrefix(chosen, "application/x-httpd-php"):
		return ModPHP, ""
	case strings.HasPrefix(chosen, "proxy:"):
		return proxyPHP(strings.TrimPrefix(chosen, "proxy:"), main)
	}
	return "", ""
}

// handlers are those that are set for script, in the order of the file.
func handlers(list []directive, root string, rank int) (found []choice) {
	for _, d := range list {
		switch d.name {
		case "sethandler":
			found = append(found, choice{rank, d.arg(0)})
		case "addhandler", "addtype":
			if slices.ContainsFunc(d.args[min(1, len(d.args)):], isPHP) {
				found = append(found, choice{rankMime, d.arg(0)})
			}
		default:
			if inner, applies := d.covers(root); applies {
				found = append(found, handlers(d.children, root, max(rank, inner))...)
			}
		}
	}
	return found
}

func isPHP(extension string) bool {
	return strings.EqualFold(strings.TrimPrefix(extension, "."), "php")
}

// covers tells whether a section is for script below root, and its rank.
func (d directive) covers(root string) (rank int, applies bool) {
	pattern, fits := d.arg(0), isAbove
	if pattern == "~" {
		pattern, fits = d.arg(1), match
	}
	if strings.HasSuffix(d.name, "match") {
		fits = match
	}
	switch strings.TrimSuffix(d.name, "match") {
	case "directory":
		return rankDirectory, fits(pattern, root+"/")
	case "files":
		return rankFiles, fits(pattern, path.Base(script))
	case "location":
		return rankLocation, fits(pattern, script)
	case "if": // what it asks is known with a request only; it mostly asks for the file
		return rankIf, true
	}
	return 0, false
}

// isAbove tells whether a folder, whose names may hold wildcards, is name or
// holds it.
func isAbove(folder, name string) bool {
	above, below := parts(folder), parts(name)
	if len(above) > len(below) {
		return false
	}
	for i, pattern := range above {
		if ok, err := path.Match(pattern, below[i]); err != nil || !ok {
			return false
		}
	}
	return true
}

func parts(name string) []string {
	return strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
}

// match is false for what only PCRE understands.
func match(pattern, name string) bool {
	expression, err := regexp.Compile(pattern)
	return err == nil && expression.MatchString(name)
}

// proxied is where ProxyPass and ProxyPassMatch send script; the first that
// fits counts, and "!" excludes.
func proxied(list []directive, around string) (target string, found bool) {
	for _, d := range list {
		from, to := d.arg(0), d.arg(1)
		if around != "" {
			from, to = around, d.arg(0)
		}
		switch {
		case d.name == "proxypass" && isAbove(from, script), d.name == "proxypassmatch" && match(from, script):
			return to, true
		case d.name == "location" && d.arg(0) != "~" && isAbove(d.arg(0), script):
			if target, found = proxied(d.children, d.arg(0)); found {
				return target, found
			}
		}
	}
	return "", false
}

// proxyPHP is the pool behind a target of mod_proxy; what is not FastCGI is
// taken for another web server.
func proxyPHP(target string, main []directive) (handler, pool string) {
	if name, ok := strings.CutPrefix(target, "balancer://"); ok {
		target = balanced("balancer://"+strings.TrimRight(name, "/"), main)
	}
	socket, address, isSocket := strings.Cut(target, "|")
	if !isSocket {
		address = target
	}
	backend, isFCGI := strings.CutPrefix(address, "fcgi://")
	switch {
	case !isFCGI:
		return "", ""
	case isSocket:
		socket = strings.TrimPrefix(socket, "unix:")
		if !filepath.IsAbs(socket) {
			return FPM, ""
		}
		return FPM, "unix:" + filepath.Clean(socket)
	}
	backend, _, _ = strings.Cut(backend, "/")
	host, port, err := net.SplitHostPort(backend)
	if err != nil {
		host, port = strings.Trim(backend, "[]"), "8000" // mod_proxy_fcgi's default
	}
	return FPM, "tcp:" + net.JoinHostPort(host, port)
}

// balanced is one member of a balancer.
func balanced(name string, main []directive) string {
	for _, d := range named(main, "proxy") {
		if member, found := last(d.children, "balancermember"); found && strings.TrimRight(d.arg(0), "/") == name {
			return member
		}
	}
	return ""
}
