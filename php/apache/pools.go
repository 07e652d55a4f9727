package apache

import (
	"context"
	"os"
	"slices"

	"relink/internal/proc"
	"relink/php"
	"relink/php/probe"
)

// Pool is the PHP inside of one web server, and the sites that it serves.
type Pool struct {
	php.Pool
	Sites []int // which of the answers are its own
}

// Pools are the PHPs inside of web servers (mod_php) among those that answered:
// one for each Apache, since all its processes share one OPcache whatever number
// of sites they serve. agentDir is where the agent of each site lies.
func Pools(ctx context.Context, heard []probe.Heard, agentDir func(site int) string) []Pool {
	var pools []Pool
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
			pools = append(pools, Pool{Pool: php.Pool{Door: &h.Door, AgentDir: agentDir(i), Apache: server.apache, Threads: threaded(h.Answer, server.apache)}})
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
	if apache := ParentOf(ctx, h.Answer.PID, h.Answer.ParentPID); apache != 0 {
		return webServer{apache: apache, start: start}
	}
	return webServer{start: start, parent: h.Answer.ParentPID, url: h.Door.URL}
}

// ParentOf is the Apache on this machine of which a process has answered with this
// pid and parent (0: not known), or 0. It reads a few files, however little time is
// left: one Apache must not count as several because of that. Of each name at most 16 bytes
// are read.
func ParentOf(ctx context.Context, pid, parent int) int {
	ctx = context.WithoutCancel(ctx)
	real, err := apacheBehind(ctx, pid, parent)
	if err != nil {
		return 0
	}
	program, err := os.Stat(proc.Path(real, "exe"))
	if err != nil {
		return 0
	}
	if same, _ := runs(pid, program); !same {
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
	threads, err := os.ReadDir(proc.Path(a.PID, "task"))
	return err != nil || len(threads) != 1
}
