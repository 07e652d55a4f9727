package serve

import (
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/cli"

	"relink/php"
)

// manager is the service manager's socket.
func manager(t *testing.T) (socket string, messages <-chan string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "notify")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	received, done := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(done)
		buffer := make([]byte, 4096)
		for {
			n, err := conn.Read(buffer)
			if err != nil {
				return
			}
			select {
			case received <- string(buffer[:n]):
			default: // nobody waits for so many
			}
		}
	}()
	t.Cleanup(func() {
		conn.Close()
		<-done
	})
	return socket, received
}

func expect(t *testing.T, messages <-chan string, word string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		select {
		case m := <-messages:
			if strings.Contains(m, word) {
				return
			}
		case <-ctx.Done():
			t.Fatalf("%s is not told", word)
		}
	}
}

func TestTheServiceManagerIsTold(t *testing.T) {
	o := idle(t)
	var messages <-chan string
	o.Notify.Socket, messages = manager(t)
	o.Notify.Watchdog = 50 * time.Millisecond
	r := start(t, o)
	expect(t, messages, "READY=1")
	expect(t, messages, "WATCHDOG=1")
	expect(t, messages, "WATCHDOG=1")
	r.stop()
	expect(t, messages, "STOPPING=1")
}

// A service that does not get on is not kept alive by its watchdog.
func TestTheWatchdogIsNotFedByAStuckService(t *testing.T) {
	o := idle(t)
	var messages <-chan string
	o.Notify.Socket, messages = manager(t)
	o.Notify.Watchdog = 20 * time.Millisecond
	r := start(t, o)
	expect(t, messages, "READY=1")
	s := newSampler(o, newHistory(memoryStore(t)), nil)
	if !s.alive(time.Now()) || s.alive(time.Now().Add(2*time.Minute)) {
		t.Error("alive is wrong")
	}
	r.stop()
}

func TestReadyIsToldOnlyAfterTheFirstLook(t *testing.T) {
	o := idle(t)
	var messages <-chan string
	o.Notify.Socket, messages = manager(t)
	look := make(chan struct{})
	o.Health.Timeout = patience
	o.Health.Pools = func(ctx context.Context) ([]php.Pool, error) {
		select {
		case <-look:
		case <-ctx.Done():
		}
		return nil, nil
	}
	r := start(t, o)
	r.get("/healthz")
	select {
	case m := <-messages:
		t.Errorf("told too early: %q", m)
	default:
	}
	close(look)
	expect(t, messages, "READY=1")
}

func TestNobodyToTell(t *testing.T) {
	if err := (Notify{}).send("READY=1"); err != nil {
		t.Error(err)
	}
	if err := (Notify{Socket: filepath.Join(t.TempDir(), "none")}).send("READY=1"); err == nil {
		t.Error("a missing socket is no error")
	}
}

func TestTheWatchdogsIntervalIsRead(t *testing.T) {
	for text, want := range map[string]time.Duration{"": 0, "x": 0, "-1": 0, "30000000": 30 * time.Second} {
		if got := (program{Env: &cli.Env{Getenv: func(string) string { return text }}}).notify().Watchdog; got != want {
			t.Errorf("%q: %s", text, got)
		}
	}
}
