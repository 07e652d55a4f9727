package front

import (
	"context"
	"slices"

	"relink/php/apache"
	"relink/php/fpm"
	"relink/php/probe"
)

// Knock asks sites of which nobody knows yet who serves them. The first answers tell how
// many processes there are, and how many of the others may be asked at the same time: as
// AtOnce has it, or probe.AtOnce where the process table does not show them. limit lowers
// that. Each has 10 s, and 64 KiB for its answer.
func Knock(ctx context.Context, sites []probe.Door, limit func(int) int) []probe.Heard {
	first := min(len(sites), probe.AtOnce)
	heard := probe.AskAll(ctx, sites[:first], limit(probe.AtOnce))
	if first == len(sites) {
		return heard
	}
	fewest, counted := 0, map[int]bool{}
	for _, one := range heard {
		if counted[one.Answer.PID] {
			continue
		}
		all := peers(ctx, one)
		for _, pid := range all {
			counted[pid] = true
		}
		if n := len(all); n > 0 && (fewest == 0 || n < fewest) {
			fewest = n
		}
	}
	atOnce := probe.AtOnce
	if fewest > 0 {
		atOnce = AtOnce(fewest)
	}
	return append(heard, probe.AskAll(ctx, sites[first:], limit(atOnce))...)
}

// peers are the processes that take requests in place of the one that answered, itself among
// them; none where nobody can tell, as of those in a container.
func peers(ctx context.Context, s probe.Heard) []int {
	if s.InWebServer() {
		all, _ := apache.ProcessesBeside(ctx, s.Answer.PID, s.Answer.ParentPID)
		return all.Workers
	}
	master := fpm.MasterOf(ctx, s.Answer.PID, s.Answer.ParentPID)
	if master == 0 {
		return nil
	}
	pools, _ := fpm.Workers(ctx, master)
	for _, workers := range pools {
		if slices.Contains(workers, s.Answer.PID) {
			return workers
		}
	}
	return nil
}
