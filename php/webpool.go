package php

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"

	"relink/fcgi"
	"relink/php/probe"
)

// WebPool is the PHP inside of one web server, and the sites that it serves.
type WebPool struct {
	Pool
	Sites []int // which of the answers are its own
}

// WebPools are the PHPs inside of web servers (mod_php) among those that answered:
// one for each Apache, since all its processes share one OPcache whatever number
// of sites they serve. agentDir is where the agent of each site lies.
func WebPools(ctx context.Context, heard []probe.Heard, agentDir func(site int) string) []WebPool {
	var pools []WebPool
	var servers []webServer
	for i, h := range heard {
		if !h.InWebServer() {
			continue
		}
		server := webServerOf(ctx, h)
		at := slices.Index(servers, server)
		if at < 0 {
			at = len(pools)
			servers = append(servers, server)
			pools = append(pools, WebPool{Pool: Pool{Door: &h.Door, AgentDir: agentDir(i), Apache: server.apache, Threads: threaded(h.Answer, server.apache)}})
		}
		pools[at].Sites = append(pools[at].Sites, i)
	}
	return pools
}

// webServer tells one OPcache inside of a web server from another.
type webServer struct {
	apache int   // pid of the Apache, where this machine shows it
	start  int64 // of the OPcache, in seconds
	// Where it does not, the parent is a number of another PID namespace, in which
	// most of them are 1: the address has to tell them apart as well.
	parent int
	url    string
}

func webServerOf(ctx context.Context, h probe.Heard) webServer {
	start := h.Answer.CacheStart.Unix()
	if apache := ApacheOf(ctx, h.Answer.PID, h.Answer.ParentPID); apache != 0 {
		return webServer{apache: apache, start: start}
	}
	return webServer{start: start, parent: h.Answer.ParentPID, url: h.Door.URL}
}

// ApacheOf is the Apache on this machine of which a process has answered with this
// pid and parent (0: not known), or 0. It reads a few files, however little time is
// left: one Apache must not count as several because of that.
func ApacheOf(ctx context.Context, pid, parent int) int {
	ctx = context.WithoutCancel(ctx)
	real, err := apacheBehind(ctx, pid, parent)
	if err != nil {
		return 0
	}
	program, err := os.Stat(procPath(real, "exe"))
	if err != nil {
		return 0
	}
	if own, err := os.Stat(procPath(pid, "exe")); err != nil || !os.SameFile(own, program) {
		return 0
	}
	return real
}

// threaded tells whether PHP answers in several threads of one process. A
// thread-safe build can run in prefork too, one thread to a process.
func threaded(a probe.Answer, apache int) bool {
	if !a.ThreadSafe || apache == 0 {
		return a.ThreadSafe
	}
	threads, err := os.ReadDir(procPath(a.PID, "task"))
	return err != nil || len(threads) != 1
}

// InWebServer tells whether only the web server leads to this PHP (mod_php).
func (p Pool) InWebServer() bool { return p.Address == (fcgi.Address{}) && p.Door != nil }

// webName names the Apache, not the site through which it is reached: that may be
// another one the next time.
func (p Pool) webName() string {
	if p.Apache == 0 {
		return webPrefix + p.Door.String()
	}
	return fmt.Sprintf("%s%s%s%d)", webPrefix, p.Origin(), apachePrefix, p.Apache)
}

const webPrefix, apachePrefix = "mod_php ", " (Apache pid "

// SameApache tells whether two names are of one Apache, reached through sites with
// different addresses.
func SameApache(a, b string) bool {
	return apacheIn(a) != "" && apacheIn(a) == apacheIn(b)
}

func apacheIn(name string) string {
	rest, inside := strings.CutPrefix(name, webPrefix)
	_, apache, _ := strings.Cut(rest, apachePrefix)
	if !inside {
		return ""
	}
	return apache
}

// Origin is the address of the web server behind the door.
func (p Pool) Origin() string {
	at, err := url.Parse(p.Door.URL)
	if err != nil {
		return p.Door.URL
	}
	origin := url.URL{Scheme: at.Scheme, Host: at.Host, Path: "/"}
	return origin.String()
}

// Ended tells whether the Apache of this pool has ended: what answers at its door
// now is another one.
func (p Pool) Ended() bool { return p.Apache != 0 && !alive(p.Apache) }
