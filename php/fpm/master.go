// Package fpm finds the PHP-FPM masters that run on this machine, with their pools,
// settings and workers, and reloads them.
package fpm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"relink/internal/hint"
	"relink/internal/proc"
	"relink/internal/trust"
	"relink/php"

	"github.com/shirou/gopsutil/v3/process"
)

// Master is a PHP-FPM master process that runs on this machine. It owns one
// OPcache, which all its pools share.
type Master struct {
	PID    int
	UID    int    // effective user of the master
	GID    int    // effective group
	Exe    string // as the master's root sees it; empty where Problem says why
	Config string // fpm.conf as the master's root sees it
	Root   string // root folder as the host sees it, "/" unless it runs in a chroot

	// Problem is why something of this master could not be read; nil if all was.
	Problem error
}

// masterTitle is as fpm_env_setproctitle sets it. The closing bracket is missing if
// the environment that the master was started with leaves too little room.
var masterTitle = regexp.MustCompile(`^php-fpm: master process \((.*)$`)

// Masters lists the running FPM masters, in the order of their pids. What the
// caller may not read of root's process is that master's Problem. Those that another
// user could have made are left out, for anybody may give his process the title of a
// master: relink would run what it names, and signal what it calls its workers. Of each
// title at most 8 KiB are read.
func Masters(ctx context.Context) ([]Master, error) {
	masters, _, err := find(ctx)
	return masters, err
}

// Foreign tells of the masters that Masters leaves out. It gives at most 8 notes, and of
// each title at most 8 KiB are read.
func Foreign(ctx context.Context) ([]string, error) {
	_, notes, err := find(ctx)
	return notes, err
}

// mostForeign bounds the notes about other users' processes, who may start any number.
const mostForeign = 8

func find(ctx context.Context) (masters []Master, notes []string, err error) {
	all, err := proc.All(ctx)
	if err != nil {
		return nil, nil, err
	}
	titles := map[int32]string{}
	for _, p := range all {
		titles[p.Pid] = proc.Title(p)
	}
	for _, p := range all {
		found := masterTitle.FindStringSubmatch(titles[p.Pid])
		if found == nil {
			continue
		}
		uid, foreign, err := proc.Stranger(ctx, p)
		if err != nil {
			continue // it has ended
		}
		if foreign {
			notes = append(notes, fmt.Sprintf("FPM master %d belongs to %s, and is left out: name its pools under `pools:` to have them served", p.Pid, trust.UserName(uid)))
			continue
		}
		// A worker that has just been forked still has its master's title.
		if parent, err := p.PpidWithContext(ctx); err != nil || masterTitle.MatchString(titles[parent]) {
			continue
		}
		if m, ok := inspect(ctx, p, found[1]); ok && m.runsFPM() {
			masters = append(masters, m)
		}
	}
	return masters, notes[:min(len(notes), mostForeign)], ctx.Err()
}

// inspect reads what /proc tells of a master; not ok if it has ended meanwhile.
func inspect(ctx context.Context, p *process.Process, config string) (m Master, ok bool) {
	m = Master{PID: int(p.Pid)}
	uids, errUID := p.UidsWithContext(ctx)
	gids, errGID := p.GidsWithContext(ctx)
	if errUID != nil || errGID != nil || len(uids) < 2 || len(gids) < 2 {
		return m, false
	}
	m.UID, m.GID = int(uids[1]), int(gids[1]) // [1] is the effective one of /proc/PID/status
	if err := m.locate(config); errors.Is(err, fs.ErrNotExist) {
		return m, false
	} else if err != nil {
		m.Problem = hint.With(fmt.Errorf("FPM master %d: %w", m.PID, err),
			"run relink as root, or name the pools in the configuration")
	}
	return m, true
}

// runsFPM goes by the name of the program, "php-fpm8.2" or alike, where that can be
// read: sudo and its like are root's in full, and bear the title that their caller gave.
func (m *Master) runsFPM() bool {
	name := filepath.Base(m.Exe)
	return m.Exe == "" || strings.Contains(name, "php") && strings.Contains(name, "fpm")
}

func (m *Master) locate(config string) error {
	exe, err := os.Readlink(m.proc("exe"))
	if err != nil {
		return err
	}
	m.Exe = strings.TrimSuffix(exe, " (deleted)") // a package upgrade has replaced it
	if m.Root, err = m.root(); err != nil {
		return err
	}
	m.Exe = php.PathMap{{Host: m.Root, Pool: "/"}}.ToPool(m.Exe)
	config, whole := strings.CutSuffix(config, ")")
	if !whole {
		return fmt.Errorf("its title is cut off and does not tell its configuration file: %q", config)
	}
	m.Config = config
	if !filepath.IsAbs(config) {
		dir, err := os.Readlink(m.proc("cwd"))
		if err != nil {
			return err
		}
		m.Config = filepath.Join(php.PathMap{{Host: m.Root, Pool: "/"}}.ToPool(dir), config)
	}
	return nil
}

func (m *Master) proc(name string) string { return proc.Path(m.PID, name) }

// root is the master's root folder, if that is a folder of this machine.
func (m *Master) root() (string, error) {
	link, err := os.Readlink(m.proc("root"))
	if err != nil {
		return "", err
	}
	theirs, err := os.Stat(m.proc("root/."))
	if err != nil {
		return "", err
	}
	for _, candidate := range []string{"/", link} {
		if ours, err := os.Stat(candidate); err == nil && os.SameFile(ours, theirs) {
			return candidate, nil
		}
	}
	return "", errors.New("its root folder cannot be reached by a path of this machine (it runs in a container)")
}
