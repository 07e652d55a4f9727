package fleet

import "time"

const idLayout = "20060102T150405.000Z"

// NewID names a rollout by when it was asked for. Where the clock of whoever asks is behind
// that of whoever asked last, it is named by the moment after that one: later rollouts sort
// after earlier ones, and a rollback finds the one before, whatever clocks say.
func NewID(now time.Time, last *Rollout) string {
	id := now.UTC().Format(idLayout)
	if last == nil || id > last.ID {
		return id
	}
	before, err := time.Parse(idLayout, last.ID)
	if err != nil {
		return id
	}
	return before.Add(time.Millisecond).Format(idLayout)
}
