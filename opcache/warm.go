package opcache

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"relink/internal/pace"
	"relink/php"

	"golang.org/x/sync/errgroup"
)

// FailedScript is a script that OPcache did not take, and why.
type FailedScript struct {
	Path   string `json:"path"`   // of the script, as this machine sees it
	Reason string `json:"reason"` // why it was not compiled
}

// WarmResult tells what was compiled before the switch.
type WarmResult struct {
	Scripts int            `json:"scripts"` // in the cache now, summed over the caches
	Cached  int            `json:"cached"`  // of these, that were there before, by the path that they have
	Failed  []FailedScript `json:"failed"`
	Absent  int            `json:"absent"`            // hot in the old release, not part of the new one
	Skipped string         `json:"skipped,omitempty"` // why nothing was compiled
}

// maxProtectionWait bounds how long the warm waits for files that are too new
// for opcache.file_update_protection (2 s by default).
const maxProtectionWait = 10 * time.Second

// Warm compiles, in the new targets, the scripts that are hot in the old ones,
// so that the switch costs the visitors no compilation. It works in short
// requests with rests between, so that the site keeps its workers.
func (s *Switch) Warm(ctx context.Context, progress Progress) (WarmResult, error) {
	var result WarmResult
	wanted := map[*View][]string{}
	sum := 0
	for _, v := range s.Views {
		if why := s.crowded(v.Space); why != "" {
			result.Skipped = why
			continue
		}
		present, absent := s.wanted(v)
		wanted[v] = present
		sum += len(present)
		result.Absent += absent
	}
	var done atomic.Int64
	count := func(n int) { progress.report(int(done.Add(int64(n))), sum) }
	all, err := Each(ctx, s.Views, func(ctx context.Context, v *View) (Compilation, error) {
		return s.Caches.Compile(ctx, v.Space, wanted[v], count)
	})
	for i, v := range s.Views {
		result.Scripts += len(wanted[v]) - len(all[i].Failed)
		result.Cached += all[i].Cached
		result.Failed = append(result.Failed, all[i].Failed...)
	}
	return result, err
}

// crowded tells why a cache has no room for the new release, or "".
func (s *Switch) crowded(one *KeySpace) string {
	for _, full := range s.Full {
		if slices.Contains(full.Pools, one.Pools[0].Address()) {
			return full.Why
		}
	}
	return ""
}

// releasePair is that of links from one release to another.
type releasePair struct{ From, To string }

// Ways are those that the links go, each once.
func (s *Switch) Ways() []releasePair {
	var ways []releasePair
	for _, l := range s.Links {
		if one := (releasePair{l.OldRelease(), l.NewRelease()}); l.Moves() && !slices.Contains(ways, one) {
			ways = append(ways, one)
		}
	}
	return ways
}

// File is, as the host sees it, what a script of the old release is in the new one.
func (w releasePair) File(one *KeySpace, script php.Script) string {
	return filepath.Join(w.To, strings.TrimPrefix(script.Path, one.ToPool(w.From)+"/"))
}

// wanted lists, as the pool sees them, the files of the new releases that
// correspond to the hot scripts of the old ones.
func (s *Switch) wanted(v *View) (present []string, absent int) {
	for _, way := range s.Ways() {
		for _, script := range v.Hot[way.From] {
			file := way.File(v.Space, script)
			if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
				absent++
				continue
			}
			present = append(present, v.Space.ToPool(file))
		}
	}
	slices.Sort(present)
	return slices.Compact(present), absent
}

// Compilation tells what became of files.
type Compilation struct {
	Failed []FailedScript
	Cached int // that were in the cache before
}

// Compile works through files with as many workers as the options allow, and
// gives those that failed another try in a request of their own: scripts that
// were compiled in the same request may have declared the same functions.
func (c *Caches) Compile(ctx context.Context, one *KeySpace, files []string, count func(int)) (done Compilation, err error) {
	var mu sync.Mutex
	var again, young []php.CompiledFile
	group, gctx := errgroup.WithContext(ctx)
	for _, share := range shares(files, c.Options.Warm.Workers) {
		group.Go(func() error {
			return c.compileShare(gctx, one.Pools[0], share, func(f php.CompiledFile) {
				mu.Lock()
				defer mu.Unlock()
				switch f.Outcome {
				case php.Failed:
					again = append(again, f)
				case php.TooNew:
					young = append(young, f)
				case php.AlreadyCached:
					done.Cached++
					count(1)
				default:
					count(1)
				}
			})
		})
	}
	if err := group.Wait(); err != nil {
		return done, fmt.Errorf("warm: %w", err)
	}
	waitOut(ctx, young)
	done.Failed, err = c.compileAlone(ctx, one, slices.Concat(again, young), count)
	return done, err
}

// compileShare compiles files one slice after the other.
func (c *Caches) compileShare(ctx context.Context, pool *Pool, files []string, result func(php.CompiledFile)) error {
	return c.inSlices(ctx, pool, files, func(ctx context.Context, rest []string, slice time.Duration) (next int, err error) {
		compiled, err := pool.Agent.Compile(ctx, rest, slice)
		if err == nil {
			for _, f := range compiled {
				result(f)
			}
		}
		return len(compiled), err
	})
}

// mostInVain bounds how many files that no pool can compile are tried in all of them:
// such files are broken, and a server may have a pool for each of many users.
const mostInVain = 3

// compileAlone gives each file a request of its own.
func (c *Caches) compileAlone(ctx context.Context, one *KeySpace, files []php.CompiledFile, count func(int)) ([]FailedScript, error) {
	var failed []FailedScript
	pools := slices.Clone(one.Pools)
	for _, f := range files {
		able, reason := c.compileSomewhere(ctx, pools, f.Path)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if reason == "" { // which probably may read the others too
			pools[0], pools[able] = pools[able], pools[0]
		} else if failed = append(failed, FailedScript{Path: one.ToHost(f.Path), Reason: reason}); len(failed) == mostInVain {
			pools = pools[:1]
		}
		count(1)
		if err := pace.Wait(ctx, c.Options.Warm.Pause); err != nil {
			return nil, err
		}
	}
	return failed, nil
}

// compileSomewhere compiles a file in the first of the pools that can: one of another
// application may not read it (open_basedir, its user). reason is the first pool's where
// none can.
func (c *Caches) compileSomewhere(ctx context.Context, pools []*Pool, file string) (able int, reason string) {
	for i, pool := range pools {
		why := c.compileIn(ctx, pool, file)
		if why == "" || ctx.Err() != nil {
			return i, why
		}
		reason = cmp.Or(reason, why)
	}
	return 0, reason
}

// compileIn tells why the pool cannot compile the file, or "".
func (c *Caches) compileIn(ctx context.Context, pool *Pool, file string) string {
	why := "the pool gave no answer for it"
	err := c.compileShare(ctx, pool, []string{file}, func(f php.CompiledFile) {
		switch f.Outcome {
		case php.TooNew:
			why = "modified less than opcache.file_update_protection ago"
		case php.Failed:
			why = f.Reason
		default:
			why = ""
		}
	})
	if err != nil {
		return err.Error()
	}
	return why
}

// waitOut lets files grow old enough for opcache.file_update_protection.
func waitOut(ctx context.Context, young []php.CompiledFile) {
	longest := time.Duration(0)
	for _, f := range young {
		longest = max(longest, f.Wait)
	}
	if longest > 0 {
		_ = pace.Wait(ctx, min(longest, maxProtectionWait))
	}
}

// shares deals files out into at most n heaps.
func shares(files []string, n int) [][]string {
	size := (len(files) + n - 1) / n
	if size == 0 {
		return nil
	}
	return slices.Collect(slices.Chunk(files, size))
}
