package fpm

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// section is one of the configuration that "php-fpm -tt" prints, with $pool and
// prefixes expanded: "global", or that of a pool.
type section struct {
	name   string
	values map[string]string // without those that are undefined
}

var (
	// "[23-Nov-2026 06:14:52] NOTICE: [www]" and "...NOTICE: <tab>listen = 9000"
	confSection = regexp.MustCompile(`NOTICE: \[(.+)\]\s*$`)
	confEntry   = regexp.MustCompile(`NOTICE: \t([a-z_.]+) = (.*)$`)
)

func sections(printed []byte) (all []section) {
	for line := range strings.Lines(string(printed)) {
		line = strings.TrimRight(line, "\r\n")
		if found := confSection.FindStringSubmatch(line); found != nil {
			all = append(all, section{found[1], map[string]string{}})
		} else if found := confEntry.FindStringSubmatch(line); found != nil && len(all) > 0 {
			if value := strings.TrimSpace(found[2]); value != "undefined" {
				all[len(all)-1].values[found[1]] = value
			}
		}
	}
	return all
}

// parsePools gives the pools' sections; each says where its pool listens.
func parsePools(printed []byte) ([]section, error) {
	pools := slices.DeleteFunc(sections(printed), func(s section) bool { return s.name == "global" })
	if len(pools) == 0 {
		return nil, errors.New("it prints no pool")
	}
	for _, pool := range pools {
		if pool.values["listen"] == "" {
			return nil, fmt.Errorf("pool %s has no listen", pool.name)
		}
	}
	return pools, nil
}

// parseControlTimeout reads process_control_timeout: "php-fpm -tt" prints every time
// in seconds, as in "10s" (fpm_conf.c). -1: it is not there.
func parseControlTimeout(printed []byte) time.Duration {
	for _, one := range sections(printed) {
		timeout, err := time.ParseDuration(one.values["process_control_timeout"])
		if one.name == "global" && err == nil && timeout >= 0 {
			return timeout
		}
	}
	return -1
}

// dialable turns the value of "listen" into the form of an address that a client
// can connect to: FPM also takes a bare port, "*" and the unspecified addresses.
func dialable(listen string) string {
	if strings.HasPrefix(listen, "/") {
		return "unix:" + listen
	}
	host, port := "", listen
	if i := strings.LastIndexByte(listen, ':'); i >= 0 {
		host, port = listen[:i], listen[i+1:]
	}
	switch host {
	case "", "*", "0.0.0.0":
		host = "127.0.0.1"
	case "[::]":
		host = "[::1]"
	}
	return "tcp:" + host + ":" + port
}
