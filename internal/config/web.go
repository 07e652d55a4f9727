package config

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// of is the application's check for one of its instances.
func (c *Check) of(instance string) *Check {
	own := *c
	nameIn(instance, &own.URL, &own.Host, &own.Contains)
	return &own
}

// of is the application's probe for one of its instances.
func (p Probe) of(instance string) Probe {
	nameIn(instance, &p.URL, &p.Host)
	return p
}

func nameIn(instance string, texts ...*string) {
	for _, text := range texts {
		*text = strings.ReplaceAll(*text, InstancePlaceholder, instance)
	}
}

// probe is where the web server is that a check asks: a site is mostly served
// at the root of its host.
func (c *Check) probe() Probe {
	if c == nil || c.Off {
		return Probe{}
	}
	parsed, err := url.Parse(c.URL)
	if err != nil || parsed.Host == "" {
		return Probe{}
	}
	root := url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: "/"}
	return Probe{URL: root.String(), Host: c.Host}
}

// Locate completes each probe that has no address with the one that find tells for
// the instance's link, and what is served behind it; "" where find knows none. A
// site that nobody shall ask ("check: off") is not looked for.
func (c *Config) Locate(find func(link, docroot string) (url, host string)) {
	for i := range c.Apps {
		app := &c.Apps[i]
		for k := range app.Instances {
			one := &app.Instances[k]
			if one.Probe.Off || one.Probe.URL != "" || one.Check != nil && one.Check.Off {
				continue
			}
			if url, host := find(one.Link, app.Docroot); url != "" {
				one.Probe = Probe{URL: url, Host: host}
			}
		}
	}
}

// webURL gives the parser of an address that a web server is asked at; one for all
// instances may hold InstancePlaceholder.
func webURL(forAll bool) func(string) (string, error) {
	return func(text string) (string, error) {
		parsed, err := url.Parse(example(text, forAll))
		switch {
		case err != nil || !slices.Contains([]string{"http", "https"}, parsed.Scheme) || parsed.Hostname() == "":
			return "", fmt.Errorf("%q is not a URL; write it like http://127.0.0.1/health", text)
		case hasPassword(parsed):
			return "", errors.New("must not hold a password: this file is no place for secrets")
		}
		return text, nil
	}
}

// example is a text as it may be for one of the instances.
func example(text string, forAll bool) string {
	if !forAll {
		return text
	}
	return strings.ReplaceAll(text, InstancePlaceholder, "x")
}

func hasPassword(u *url.URL) bool {
	_, set := u.User.Password()
	return set
}

func hostHeader(forAll bool) func(string) (string, error) {
	return func(text string) (string, error) {
		host := example(text, forAll)
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !ValidHost(host) {
			return "", fmt.Errorf("%q is not a host name; write it like club1.example.org", text)
		}
		return text, nil
	}
}

// pagePath is a path as a web server or an FPM pool names it.
func pagePath(text string) (string, error) {
	if !strings.HasPrefix(text, "/") || strings.ContainsAny(text, " ?#") {
		return "", fmt.Errorf("%q is not the path of a page; write it as in the pool's pm.status_path, such as /status", text)
	}
	return text, nil
}

// program is the name of a program: one that PATH finds, or an absolute path.
func program(text string) (string, error) {
	switch {
	case strings.HasPrefix(text, "/"):
		return absolute(text)
	case strings.ContainsAny(text, "/ \t"):
		return "", fmt.Errorf("%q is not a program; write its name or its absolute path, without arguments", text)
	}
	return text, nil
}

// scpLike is git's short form of an SSH address: user@host:path.
var scpLike = regexp.MustCompile(`^[^-/:\s][^/:\s]*:[^:\s]`)

// repository is where git fetches from.
func repository(text string) (string, error) {
	switch {
	case strings.HasPrefix(text, "/"):
		return absolute(text)
	case strings.Contains(text, "://"):
		return repositoryURL(text)
	case scpLike.MatchString(text):
		return text, nil
	}
	return "", fmt.Errorf("%q is not a repository; write an absolute path, a URL or user@host:path", text)
}

func repositoryURL(text string) (string, error) {
	parsed, err := url.Parse(text)
	switch {
	case err != nil || !slices.Contains([]string{"ssh", "https", "http", "git", "file"}, parsed.Scheme) ||
		parsed.Hostname() == "" && parsed.Scheme != "file" || strings.HasPrefix(parsed.Hostname(), "-"):
		return "", fmt.Errorf("%q is not the URL of a repository; its scheme is ssh, https, http, git or file", text)
	case hasPassword(parsed):
		return "", errors.New("must not hold a password: use an SSH key or git's credential helper")
	}
	return text, nil
}

// withRef is the path of a folder or archive in which {ref} stands for the REF of a
// deploy.
func withRef(text string) (string, error) {
	if strings.ContainsAny(strings.ReplaceAll(text, Placeholder, ""), "{}") {
		return "", fmt.Errorf("%q has a placeholder that does not exist: only %s does", text, Placeholder)
	}
	return absolute(text)
}
