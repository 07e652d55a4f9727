package fpm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"relink/internal/bounded"
	"relink/internal/hint"
)

// logTail is how much of FPM's log an error shows, in bytes.
const logTail = 4 << 10

// notBack tells what is missing, and why as far as FPM says. What is wrong with
// its configuration it writes to stderr, before it has opened its log.
func (p *proof) notBack(ctx context.Context, missing error) error {
	err := fmt.Errorf("%w: %s after it was asked for: %w", ErrNotBack, time.Since(p.asked).Round(time.Second/10), missing)
	if errors.Is(missing, errEnded) && p.before.Problem == nil {
		if _, why := p.before.Settings(context.WithoutCancel(ctx)); why != nil {
			err = fmt.Errorf("%w: %w", err, why)
		}
	}
	tail := p.logTail()
	if tail == "" {
		return hint.With(err, "look for php-fpm in the journal or syslog, and start PHP-FPM again")
	}
	return hint.With(fmt.Errorf("%w\nthe end of %s:\n%s", err, p.log, tail), "mend what the log says and start PHP-FPM again")
}

// watchLog notes where FPM's error log ends now.
func (p *proof) watchLog(m Master) {
	if m.PID == 0 {
		return
	}
	if info, err := os.Stat(m.errorLog()); err == nil {
		p.log, p.logFrom = m.errorLog(), info.Size()
	}
}

// logTail is the end of what FPM has logged since watchLog. The log may lie in a folder
// of the pool's user, and is shown to whoever deploys.
func (p *proof) logTail() string {
	f, err := bounded.OpenNoLink(p.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	from := max(p.logFrom, info.Size()-logTail)
	if info.Size() < p.logFrom { // it was rotated
		from = max(0, info.Size()-logTail)
	}
	tail, _ := io.ReadAll(io.NewSectionReader(f, from, logTail))
	return strings.TrimSpace(string(tail))
}
