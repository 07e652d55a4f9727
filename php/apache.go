package php

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

	"relink/internal/hint"
)

// What can keep Apache from being reloaded or that from being proven.
var (
	// ErrApacheConfig: configtest refuses the configuration. Nothing was done.
	ErrApacheConfig = errors.New("configtest refuses the configuration of Apache")
	// ErrApacheDown: "graceful" would start an Apache that does not run. Nothing was done.
	ErrApacheDown = errors.New("no Apache is running")
	// ErrApacheUnproven: the reload was asked for, and no new generation was seen.
	ErrApacheUnproven = errors.New("no new generation of Apache has been seen after its reload")
)

// ApacheOptions say how a reload of Apache is proven.
type ApacheOptions struct {
	// StatusURL is mod_status's page; "" means that of this machine's port 80,
	// which Debian sets up. Where it does not answer, new children are the proof.
	StatusURL string
	Limit     time.Duration // for the reload and its proof; 0: DefaultReloadLimit
}

// ApacheReloaded tells what a reload of Apache has done.
type ApacheReloaded struct {
	PID        int           `json:"pid"`        // of the parent; 0 if it is not known
	Generation int           `json:"generation"` // of the configuration, from server-status; 0 if that is not reachable
	Lingering  []int         `json:"lingering"`  // children that finish their last requests
	Took       time.Duration `json:"-"`
}

// ReloadApache has the control program (apachectl) test the configuration, asks
// it for a graceful restart and proves that: by the generation of the server
// status, or by new children of the parent. Requests in flight complete.
func ReloadApache(ctx context.Context, control string, o ApacheOptions) (ApacheReloaded, error) {
	if o.Limit <= 0 {
		o.Limit = DefaultReloadLimit
	}
	if o.StatusURL == "" {
		o.StatusURL = "http://127.0.0.1/server-status"
	}
	ctx, cancel := context.WithTimeout(ctx, o.Limit)
	defer cancel()
	result, err := reloadApache(ctx, control, o)
	if err != nil {
		return result, fmt.Errorf("reload Apache: %w", err)
	}
	return result, nil
}

func reloadApache(ctx context.Context, control string, o ApacheOptions) (ApacheReloaded, error) {
	printed, err := commandResult(ctx, []string{control, "configtest"})
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		return ApacheReloaded{}, hint.With(err, "set apache.control to Apache's control program")
	}
	if err != nil {
		return ApacheReloaded{}, hint.With(fmt.Errorf("%w: %s configtest: %w: %s", ErrApacheConfig, control, err, strings.TrimSpace(string(printed))),
			"correct the configuration; Apache goes on with the one that it has")
	}
	p, err := newApacheProof(ctx, control, o.StatusURL)
	if err != nil {
		return ApacheReloaded{}, err
	}
	if err := runCommand(ctx, []string{control, "graceful"}); err != nil {
		return ApacheReloaded{}, err
	}
	return p.await(ctx)
}

var pidFileLine = regexp.MustCompile(`(?m)^PidFile: "(.+)"\s*$`)

// apacheParents finds the parent of the Apache that control controls, from the
// PidFile that its configuration names. Where that is not told, every Apache of
// this machine may be the one.
func apacheParents(ctx context.Context, control string) ([]int, error) {
	printed, _ := commandResult(ctx, []string{control, "-t", "-D", "DUMP_RUN_CFG"})
	found := pidFileLine.FindSubmatch(printed)
	if found == nil {
		return allApaches(ctx)
	}
	down := hint.With(fmt.Errorf("%w: %s tells no process", ErrApacheDown, found[1]),
		"start Apache: it reads its configuration then, and needs no reload")
	text, err := os.ReadFile(string(found[1]))
	if errors.Is(err, os.ErrPermission) {
		return allApaches(ctx)
	}
	pid, convErr := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || convErr != nil {
		return nil, down
	}
	if all, err := allApaches(ctx); err != nil || slices.Contains(all, pid) {
		return []int{pid}, err
	}
	return nil, down
}
