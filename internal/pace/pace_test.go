package pace

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func priority(t *testing.T) int {
	t.Helper()
	got, err := unix.Getpriority(unix.PRIO_PROCESS, 0)
	if err != nil {
		t.Fatal(err)
	}
	return 20 - got // getpriority(2): the system call gives 20-nice
}

// session begins one, whose autogroup has to have a niceness, where the kernel has any.
func session(ctx context.Context, t *testing.T, want int) {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	Began(ctx, cmd.Process.Pid)
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid))
	if err == nil && !strings.HasSuffix(string(text), fmt.Sprintf(" nice %d\n", want)) {
		t.Errorf("the session is %q, want nice %d", text, want)
	}
}

func TestGently(t *testing.T) {
	before := priority(t)
	failed := errors.New("failed")
	err := Gently(t.Context(), func(ctx context.Context) error {
		if got := priority(t); got != niceness {
			t.Errorf("the thread has niceness %d, want %d", got, niceness)
		}
		started, err := exec.Command("nice").Output()
		if err != nil || strings.TrimSpace(string(started)) != strconv.Itoa(niceness) {
			t.Errorf("a program has niceness %q, want %d (%v)", started, niceness, err)
		}
		session(ctx, t, niceness)
		_ = Normally(func() error {
			session(ctx, t, 0)
			if got := priority(t); got != before {
				t.Errorf("normal work has niceness %d, want %d", got, before)
			}
			return Rest(ctx) // of another thread: nothing to rest from
		})
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if got := priority(t); got != before {
		t.Errorf("the caller has niceness %d, want %d", got, before)
	}
}

func TestRestTellsWhyTheContextEnded(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Rest(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	err := Gently(ctx, func(ctx context.Context) error {
		for began := cpuTime(); cpuTime()-began < 2*piece; {
		}
		return Rest(ctx)
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestPauseAfter(t *testing.T) {
	const ms = time.Millisecond
	for name, c := range map[string]struct{ used, waited, took, want time.Duration }{
		"nobody waits":              {4 * ms, 0, 4 * ms, 0},
		"now and then":              {4 * ms, ms / 2, 5 * ms, 0},
		"others have half of a CPU": {4 * ms, 4 * ms, 8 * ms, 32 * ms},
		"kept off the CPU":          {4 * ms, 40 * ms, 44 * ms, 0},
		"a disk was slow too":       {4 * ms, 2 * ms, 26 * ms, 14 * ms},
	} {
		if got := pauseAfter(c.used, c.waited, c.took); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestParsers(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"736975 489143 2\n": 489143, "": 0, "1": 0, "1 x 2": 0,
	} {
		if got := parseQueueTime([]byte(text)); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	type waited struct {
		share float64
		since time.Duration
	}
	for text, want := range map[string]waited{
		"some avg10=25.50 avg60=0.28 avg300=4.45 total=53751951574\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=7\n": {0.255, 53751951574 * time.Microsecond},
		"full avg10=1.00 avg60=1.00 avg300=1.00 total=7\n":                                                            {}, "": {}, "some total=": {}, "some avg10=1.00 total=1e3": {},
		"some avg10=9.00 avg60=x avg300=4.45 total=5\n": {},
	} {
		if share, since := parseWaited([]byte(text)); share != want.share || since != want.since {
			t.Errorf("%q: %g and %s, want %+v", text, share, since, want)
		}
	}
}

// This kernel counts both, as those of Debian do.
func TestWaitingIsCounted(t *testing.T) {
	if queueTime() == 0 && cpuTime() > 0 {
		_ = Gently(t.Context(), func(context.Context) error {
			for began := time.Now(); queueTime() == 0 && time.Since(began) < 10*time.Second; {
			}
			if queueTime() == 0 {
				t.Error("a thread never waits")
			}
			return nil
		})
	}
	if _, since := queued(); since == 0 {
		t.Error("no task has ever waited for a CPU")
	}
	if p := Look(); p.at.IsZero() {
		t.Error("no time of the look")
	}
}
