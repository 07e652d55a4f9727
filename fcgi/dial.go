package fcgi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"relink/internal/config"
	"relink/internal/hint"
	"relink/internal/pace"
	"relink/internal/trust"

	fcgiclient "github.com/tomasen/fcgi_client"
)

// Address is where a pool listens. It is comparable: two spellings of one
// address parse to the same value.
type Address struct {
	Network string // "unix" or "tcp"
	Path    string // path of the socket, or host:port
}

// ParseAddress understands unix:/run/x.sock, /run/x.sock, tcp:127.0.0.1:9000,
// 127.0.0.1:9000 and [::1]:9000.
func ParseAddress(s string) (Address, error) {
	spelling := strings.Replace(s, "tcp://", "tcp:", 1)
	if socket := strings.TrimPrefix(s, "unix:"); path.IsAbs(socket) {
		spelling = path.Clean(socket) // as FPM's "listen" may spell it
	}
	text, err := config.PoolAddress(spelling)
	if err != nil {
		return Address{}, hint.With(fmt.Errorf("pool address %q: %w", s, err),
			"write unix:/run/php/php-fpm.sock or tcp:127.0.0.1:9000, as in the pool's \"listen\"")
	}
	network, at, _ := strings.Cut(text, ":")
	return Address{network, at}, nil
}

// String gives unix:/run/x.sock or tcp:127.0.0.1:9000, which ParseAddress reads.
func (a Address) String() string { return a.Network + ":" + a.Path }

const (
	// The library cannot interrupt a dial, so that dials are kept short and
	// repeated: a cancelled call returns within this time, with no goroutine
	// left behind. A pool is on this machine or near it.
	dialSlice = 500 * time.Millisecond
	dialPause = 5 * time.Millisecond
)

// dial connects. It repeats what may succeed later: a connection that is not
// answered, and EAGAIN, which a unix socket with a full backlog gives at once
// (connect(2)).
func dial(ctx context.Context, to Address) (*fcgiclient.FCGIClient, error) {
	start := time.Now()
	for {
		client, err := fcgiclient.DialTimeout(to.Network, to.Path, sliceOf(ctx))
		if err == nil {
			return client, nil
		}
		phase := waitsFor(err)
		if phase == "" {
			return nil, refused(to, err)
		}
		if pace.Wait(ctx, dialPause) != nil {
			return nil, ended(ctx, to, start, phase)
		}
	}
}

func sliceOf(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return dialSlice
	}
	return max(time.Millisecond, min(dialSlice, time.Until(deadline)))
}

// waitsFor says what a dial that failed waits for; "" where another one would fail too.
func waitsFor(err error) string {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.EAGAIN):
		return "the socket's listen backlog (listen.backlog) is full"
	case errors.As(err, &timeout) && timeout.Timeout():
		return "connecting"
	}
	return ""
}

func refused(to Address, err error) error {
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) { // PHP was not even asked
		return hint.With(fmt.Errorf("call %s: %w", to, bare(err)), "raise the limit of open files (ulimit -n) of what runs relink")
	}
	if errors.Is(err, syscall.EACCES) || errors.Is(err, syscall.EPERM) {
		return hint.With(failure(to, ErrPermission, err), "%s", permissionHint(to))
	}
	advice := "start PHP-FPM, or correct the pool's address: it must be what \"listen\" says in the pool's file"
	if to.Network == "unix" && errors.Is(err, syscall.ECONNREFUSED) {
		advice = "start PHP-FPM: the socket file is left over from a master that has ended"
	}
	return hint.With(failure(to, ErrNotListening, err), "%s", advice)
}

func permissionHint(to Address) string {
	if os.Geteuid() == 0 {
		return hint.Refused
	}
	info, err := os.Stat(to.Path)
	if err != nil {
		return fmt.Sprintf("run as root, or as a user who may enter %s", filepath.Dir(to.Path))
	}
	stat := info.Sys().(*syscall.Stat_t)
	owner, group := trust.UserName(int(stat.Uid)), strconv.Itoa(int(stat.Gid))
	if found, err := user.LookupGroupId(group); err == nil {
		group = found.Name
	}
	return fmt.Sprintf("run as root, as %s or in the group %s: the socket belongs to %s:%s with mode %#o (listen.owner, listen.group, listen.mode)",
		owner, group, owner, group, info.Mode().Perm())
}
