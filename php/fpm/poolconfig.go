package fpm

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// PoolConfig is what FPM's own configuration says about a pool, with $pool and
// prefixes expanded.
type PoolConfig struct {
	Name       string
	Listen     string // a path, host:port or a port
	User       string
	Chroot     string
	StatusPath string
}

var (
	// "[23-Nov-2026 06:14:52] NOTICE: [www]" and "...NOTICE: <tab>listen = 9000"
	confSection = regexp.MustCompile(`NOTICE: \[(.+)\]\s*$`)
	confEntry   = regexp.MustCompile(`NOTICE: \t([a-z_.]+) = (.*)$`)
)

var errNoPools = errors.New("it prints no pool")

// parsePools reads what "php-fpm -tt" prints.
func parsePools(printed []byte) ([]PoolConfig, error) {
	var pools []PoolConfig
	var current *PoolConfig
	lines := bufio.NewScanner(bytes.NewReader(printed))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if found := confSection.FindStringSubmatch(line); found != nil {
			current = nil
			if found[1] != "global" {
				pools = append(pools, PoolConfig{Name: found[1]})
				current = &pools[len(pools)-1]
			}
		} else if found := confEntry.FindStringSubmatch(line); found != nil && current != nil {
			current.set(found[1], strings.TrimSpace(found[2]))
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	return checked(pools)
}

func (p *PoolConfig) set(key, value string) {
	if value == "undefined" {
		return
	}
	switch key {
	case "listen":
		p.Listen = value
	case "user":
		p.User = value
	case "chroot":
		p.Chroot = value
	case "pm.status_path":
		p.StatusPath = value
	}
}

func checked(pools []PoolConfig) ([]PoolConfig, error) {
	if len(pools) == 0 {
		return nil, errNoPools
	}
	for _, p := range pools {
		if p.Listen == "" {
			return nil, fmt.Errorf("pool %s has no listen", p.Name)
		}
	}
	return pools, nil
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
