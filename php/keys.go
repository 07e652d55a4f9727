package php

import (
	"context"
	"errors"
	"fmt"
)

// Key is a literal path under which OPcache keeps a script, beside its real path.
type Key struct {
	Path string // the literal path
	Old  string // the script, by real path, that it shall no longer lead to
	New  string // the script, by real path, that Path names now
}

// Keys finds, for each link, the scripts that have a live key through it: Link +
// "/" + script. A key is live while the script that it leads to is.
func (a *Agent) Keys(ctx context.Context, links, scripts []string) (map[string][]string, error) {
	found := map[string][]string{}
	for _, part := range chunk(scripts, maxBody/3, maxLookups/maxLinks) {
		for _, some := range chunk(links, maxBody/3, maxLinks) {
			if err := a.keys(ctx, some, part, found); err != nil {
				return nil, err
			}
		}
	}
	return found, nil
}

func (a *Agent) keys(ctx context.Context, links, scripts []string, found map[string][]string) error {
	in := struct {
		Links   paths `json:"links"`
		Scripts paths `json:"scripts"`
	}{links, scripts}
	var out struct {
		Keys [][]int `json:"keys"`
	}
	if _, err := a.call(ctx, "keys", in, &out); err != nil {
		return err
	}
	if len(out.Keys) != len(links) {
		return fmt.Errorf("keys in pool %s: %w: %d answers for %d links", a.pool, ErrCorrupt, len(out.Keys), len(links))
	}
	for i, indexes := range out.Keys {
		for _, j := range indexes {
			if j < 0 || j >= len(scripts) {
				return fmt.Errorf("keys in pool %s: %w: script %d of %d", a.pool, ErrCorrupt, j, len(scripts))
			}
			found[links[i]] = append(found[links[i]], scripts[j])
		}
	}
	return nil
}

// Targets tells which script each key leads to, by real path; "" for a key that
// does not exist or whose script is not live. It loads the scripts that it finds,
// without running them: scripts of two releases, or one under two keys, may not
// load in one request, so keys of different links are best asked in different calls.
func (a *Agent) Targets(ctx context.Context, keys []string) ([]string, error) {
	var targets []string
	for len(keys) > 0 {
		var out struct {
			Targets paths `json:"targets"`
			Next    int   `json:"next"`
		}
		in := struct {
			Keys paths `json:"keys"`
		}{chunk(keys, maxBody, len(keys))[0]}
		_, err := a.call(ctx, "targets", in, &out)
		if err != nil && !errors.Is(err, ErrAgentFailed) {
			return nil, err
		}
		if len(out.Targets) == 0 || len(out.Targets) > len(in.Keys) {
			return nil, fmt.Errorf("targets in pool %s: %w: %d answers for %d keys", a.pool, errors.Join(ErrCorrupt, err), len(out.Targets), len(in.Keys))
		}
		targets = append(targets, out.Targets...)
		keys = keys[len(out.Targets):]
	}
	return targets, nil
}

// Rekey makes keys lead to what their paths name now, one attempt each: while
// visitors bring a script back in the same moment it may fail, so Targets has to
// be asked afterwards. It costs one compilation for each key, and the memory of
// the copy that was there before.
func (a *Agent) Rekey(ctx context.Context, keys []Key) error {
	for _, wave := range waves(keys) {
		for begun := 0; begun < len(wave); {
			next, err := a.rekey(ctx, wave[begun:])
			if err != nil {
				return err
			}
			begun += next
		}
	}
	return nil
}

// waves deals keys out so that no script is compiled twice in one request: what
// it declares cannot be declared again there.
func waves(keys []Key) [][]Key {
	var out [][]Key
	seen := map[string]int{}
	for _, k := range keys {
		n := seen[k.New]
		seen[k.New]++
		if n == len(out) {
			out = append(out, nil)
		}
		out[n] = append(out[n], k)
	}
	return out
}

// rekey is one request. It tells how many keys it got through: a fatal error ends
// it, and counts for the key that was tried last.
func (a *Agent) rekey(ctx context.Context, keys []Key) (next int, err error) {
	var in struct {
		Keys paths `json:"keys"`
		Old  paths `json:"old"`
		New  paths `json:"new"`
	}
	size := 0
	for _, k := range keys {
		if size += len(k.Path) + len(k.Old) + len(k.New); size > maxBody && len(in.Keys) > 0 {
			break
		}
		in.Keys, in.Old, in.New = append(in.Keys, k.Path), append(in.Old, k.Old), append(in.New, k.New)
	}
	var out struct {
		Next int `json:"next"`
	}
	_, err = a.call(ctx, "rekey", in, &out)
	if errors.Is(err, ErrAgentFailed) && out.Next > 0 {
		err = nil
	}
	if err == nil && (out.Next < 1 || out.Next > len(in.Keys)) {
		err = fmt.Errorf("rekey in pool %s: %w: got through %d of %d keys", a.pool, ErrCorrupt, out.Next, len(in.Keys))
	}
	return out.Next, err
}
