package apache

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"relink/internal/hint"
	"relink/internal/pace"
	"relink/internal/proc"
)

const (
	proofPoll = 20 * time.Millisecond
	// statusCall bounds one call of the server status: during a reload it waits in
	// the backlog of a socket.
	statusCall = 2 * time.Second
)

// proof compares an Apache with what it was before a reload.
type proof struct {
	status     string        // address of the server status
	generation int           // of the configuration; -1 where the status does not answer
	children   map[int][]int // by parent
	renewed    bool          // a new child has been seen
	asked      time.Time
}

func newProof(ctx context.Context, control string, o ReloadOptions) (*proof, error) {
	p := &proof{status: o.StatusURL, children: map[int][]int{}}
	parents, err := controlled(ctx, control, o.Parent)
	if err != nil {
		return nil, err
	}
	for _, parent := range parents {
		if p.children[parent], err = childrenOf(ctx, parent); err != nil {
			return nil, err
		}
	}
	p.generation = -1
	if p.status != "" {
		if generation, err := p.readGeneration(ctx); err == nil {
			p.generation = generation
		}
	}
	p.asked = time.Now()
	return p, nil
}

// await ends with the proof or with ctx. Children with requests in flight may
// outlive it: they serve nothing new.
func (p *proof) await(ctx context.Context) (ReloadResult, error) {
	for {
		result, proven := p.look(ctx)
		if proven {
			return result, nil
		}
		if pace.Wait(ctx, proofPoll) != nil {
			return p.judge(result)
		}
	}
}

// judge decides when the time is up. New children beside all old ones are what
// a reload looks like while every old child still serves a long request.
func (p *proof) judge(result ReloadResult) (ReloadResult, error) {
	if p.renewed && p.generation < 0 {
		return result, nil
	}
	return result, hint.With(fmt.Errorf("%w within %s", ErrUnproven, time.Since(p.asked).Round(time.Second/10)),
		"read Apache's error log")
}

// look tells what is new by now. The generation decides where it can be read,
// else the children: new ones, while old ones have ended.
func (p *proof) look(ctx context.Context) (result ReloadResult, proven bool) {
	if p.generation >= 0 {
		generation, err := p.readGeneration(ctx)
		proven = err == nil && generation > p.generation
		result.Generation = generation
	}
	for parent, old := range p.children {
		now, err := childrenOf(ctx, parent)
		fresh := err == nil && slices.ContainsFunc(now, func(pid int) bool { return !slices.Contains(old, pid) })
		if fresh || len(p.children) == 1 {
			result.PID = parent
			result.Lingering = slices.DeleteFunc(slices.Clone(old), func(pid int) bool { return !slices.Contains(now, pid) })
		}
		p.renewed = p.renewed || fresh
		proven = proven || p.generation < 0 && fresh && len(result.Lingering) < len(old)
	}
	return result, proven
}

var generationLine = regexp.MustCompile(`(?m)^ParentServerConfigGeneration: (\d+)\s*$`)

// readGeneration asks a child; it grows by one with each graceful restart.
func (p *proof) readGeneration(ctx context.Context) (int, error) {
	body, err := serverStatus(ctx, strings.TrimSuffix(p.status, "?auto")+"?auto")
	if err != nil {
		return 0, err
	}
	found := generationLine.FindSubmatch(body)
	if found == nil {
		return 0, fmt.Errorf("%s tells no generation", p.status)
	}
	return strconv.Atoi(string(found[1]))
}

func isApache(name string) bool { return name == "apache2" || name == "httpd" }

// allParents lists the Apache processes whose parent is none.
func allParents(ctx context.Context) ([]int, error) {
	all, err := proc.All(ctx)
	if err != nil {
		return nil, err
	}
	apaches := map[int32]int32{} // parents by pid
	for _, p := range all {
		name, err := proc.Name(p)
		if err != nil || !isApache(name) {
			continue
		}
		if parent, err := p.PpidWithContext(ctx); err == nil {
			apaches[p.Pid] = parent
		}
	}
	var parents []int
	for pid, parent := range apaches {
		if _, child := apaches[parent]; !child {
			parents = append(parents, int(pid))
		}
	}
	slices.Sort(parents)
	return parents, nil
}

// childrenOf leaves out what is no server: Apache has piped loggers and CGI daemons
// as children too.
func childrenOf(ctx context.Context, parent int) ([]int, error) {
	all, err := proc.Children(ctx, parent)
	if err != nil {
		return nil, err
	}
	var children []int
	for _, p := range all {
		if name, err := proc.Name(p); err == nil && isApache(name) {
			children = append(children, int(p.Pid))
		}
	}
	return children, nil
}
