// Package apache knows an Apache with PHP inside (mod_php) by its processes: which
// ones take requests, what they do, and how all of them are replaced.
package apache

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"relink/internal/bounded"
	"relink/internal/hint"
	"relink/internal/proc"
)

// What can keep Apache from being reloaded or that from being proven.
var (
	// ErrConfig: configtest refuses the configuration. Nothing was done.
	ErrConfig = errors.New("configtest refuses the configuration of Apache")
	// ErrDown: "graceful" would start an Apache that does not run. Nothing was done.
	ErrDown = errors.New("no Apache is running")
	// ErrOther: the control program is that of another Apache, or nobody can
	// tell which one it controls. Nothing was done.
	ErrOther = errors.New("another Apache is controlled")
	// ErrUnproven: the reload was asked for, and no new generation was seen.
	ErrUnproven = errors.New("no new generation of Apache has been seen after its reload")
)

// ReloadOptions say how a reload of Apache is proven.
type ReloadOptions struct {
	// StatusURL is mod_status's page; "" means that of this machine's port 80,
	// which Debian sets up. Where it does not answer, new children are the proof.
	StatusURL string
	Limit     time.Duration // for the reload and its proof; 0: DefaultReloadLimit
	// Parent is the pid of the Apache that is meant; 0: whichever is controlled.
	Parent int
	// Before is called when nothing but the reload itself is left to do, and its
	// error is the end of it; it may be nil. Limit does not count its time.
	Before func(context.Context) error
	// Last is called right before the reload, when all else has been looked at. Its
	// error prevents the reload; it may be nil.
	Last func(context.Context) error
}

// ReloadResult tells what a reload of Apache has done.
type ReloadResult struct {
	PID        int   // of the parent; 0 if it is not known
	Generation int   // of the configuration, from server-status; 0 if that is not reachable
	Lingering  []int // children that finish their last requests
}

// Reload has the control program (apachectl) test the configuration, asks
// it for a graceful restart and proves that: by the generation of the server
// status, or by new children of the parent. Requests in flight complete. The test may take
// o.Limit, and the reload with its proof as long again. Of what the program prints the last
// 4 KiB are kept, of a server status 4 MiB are read.
func Reload(ctx context.Context, control string, o ReloadOptions) (ReloadResult, error) {
	if o.Limit <= 0 {
		o.Limit = DefaultReloadLimit
	}
	if o.StatusURL == "" && o.Parent == 0 {
		o.StatusURL = UsualStatusPage
	}
	result, err := reload(ctx, control, o)
	if err != nil {
		return result, fmt.Errorf("reload Apache: %w", err)
	}
	return result, nil
}

// DefaultReloadLimit bounds a reload and its proof.
const DefaultReloadLimit = 30 * time.Second

// UsualStatusPage is where Debian lets this machine read the server status.
const UsualStatusPage = "http://127.0.0.1/server-status"

func reload(ctx context.Context, control string, o ReloadOptions) (ReloadResult, error) {
	if err := mayReload(ctx, control, o); err != nil {
		return ReloadResult{}, err
	}
	if o.Before != nil {
		if err := o.Before(ctx); err != nil {
			return ReloadResult{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	p, err := newProof(ctx, control, o)
	if err != nil {
		return ReloadResult{}, err
	}
	if o.Last != nil {
		if err := o.Last(ctx); err != nil {
			return ReloadResult{}, err
		}
	}
	if err := proc.Run(ctx, []string{control, "graceful"}); err != nil {
		return ReloadResult{}, err
	}
	return p.await(ctx)
}

// mayReload finds what speaks against a reload before anything is waited for.
func mayReload(ctx context.Context, control string, o ReloadOptions) error {
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	printed, err := proc.Output(ctx, []string{control, "configtest"})
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return hint.With(err, "set apache.control to Apache's control program")
	}
	if err != nil {
		return hint.With(fmt.Errorf("%w: %s configtest: %w: %s", ErrConfig, control, err, strings.TrimSpace(string(printed))),
			"correct the configuration; Apache goes on with the one that it has")
	}
	_, err = controlled(ctx, control, o.Parent)
	return err
}

// controlled are the Apaches that control may be about; with a parent it has to be
// that one for sure.
func controlled(ctx context.Context, control string, parent int) ([]int, error) {
	parents, err := parentsBehind(ctx, control)
	switch {
	case err != nil:
		return nil, err
	case len(parents) == 0:
		return nil, hint.With(ErrDown, "start Apache: it reads its configuration then, and needs no reload")
	case parent == 0 || slices.Equal(parents, []int{parent}):
		return parents, nil
	case len(parents) == 1:
		err = fmt.Errorf("%w: %s controls the one with pid %d, not pid %d", ErrOther, control, parents[0], parent)
	default:
		err = fmt.Errorf("%w: nobody can tell whether %s controls the one with pid %d", ErrOther, control, parent)
	}
	return nil, hint.With(err, "set apache.control to the control program of that Apache, or empty its cache with --method opcache")
}

// mostPID bounds what is read of a PidFile: a number and a newline.
const mostPID = 64

var pidFileLine = regexp.MustCompile(`(?m)^PidFile: "(.+)"\s*$`)

// parentsBehind finds the parent of the Apache that control controls, from the
// PidFile that its configuration names. Where that is not told, every Apache of
// this machine may be the one.
func parentsBehind(ctx context.Context, control string) ([]int, error) {
	printed, _ := proc.Output(ctx, []string{control, "-t", "-D", "DUMP_RUN_CFG"})
	found := pidFileLine.FindSubmatch(printed)
	if found == nil {
		return allParents(ctx)
	}
	down := hint.With(fmt.Errorf("%w: %s tells no process", ErrDown, found[1]),
		"start Apache: it reads its configuration then, and needs no reload")
	text, err := bounded.File(string(found[1]), mostPID)
	if errors.Is(err, os.ErrPermission) {
		return allParents(ctx)
	}
	pid, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || convErr != nil {
		return nil, down
	}
	if all, err := allParents(ctx); err != nil || slices.Contains(all, pid) {
		return []int{pid}, err
	}
	return nil, down
}
