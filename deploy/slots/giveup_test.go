package slots

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/deploy/apps"
	"relink/deploy/release"
	"relink/internal/config"
	"relink/opcache"
)

// caches tell what requests are in flight, and remember which folders they forgot.
type caches struct {
	flight opcache.Flight
	forgot []string
}

func (c *caches) InFlight(context.Context) (opcache.Flight, error) { return c.flight, nil }
func (c *caches) FileCache(context.Context) (bool, error)          { return false, nil }

func (c *caches) ForgetBelow(_ context.Context, folder string, _ func(string) bool) ([]string, error) {
	c.forgot = append(c.forgot, filepath.Base(folder))
	return nil, nil
}

// A set-up that has become keyed has no use for slots: those go that nobody is in or on.
func TestSlotsWithoutUseAreGivenUp(t *testing.T) {
	const left, live = "slot-aaaaaa", "slot-bbbbbb"
	base := t.TempDir()
	known := &caches{}
	s := Slots{App: apps.App{App: config.App{Name: "app", Releases: filepath.Join(base, "releases")}, State: base}, Caches: known}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	s.Store, err = release.Open(s.App.Releases)
	must(err)
	for id, slot := range map[string]string{"v1": left, "v2": live} {
		st, err := s.Store.StageIn(t.Context(), id, release.Turn{Slot: slot, App: s.App.HistoryFile(), Forget: s.forget})
		must(err)
		must(st.Fill(t.Context(), func(into string) (func(string) bool, error) {
			return func(string) bool { return false }, os.WriteFile(filepath.Join(into, "index.php"), []byte(id), 0o644)
		}))
		_, err = st.Seal(t.Context(), release.Manifest{})
		must(err)
	}
	must(s.Store.Remove(t.Context(), "v1"))
	known.forgot = nil
	there := func(slot string) bool {
		_, err := os.Lstat(s.Store.Path(slot))
		return !errors.Is(err, fs.ErrNotExist)
	}
	known.flight.Busy = []opcache.Worker{{Busy: time.Hour}}
	must(s.GiveUp(t.Context()))
	if !there(left) || len(known.forgot) > 0 {
		t.Errorf("a request may be on it, and the caches forgot %q", known.forgot)
	}
	known.flight = opcache.Flight{}
	must(s.GiveUp(t.Context()))
	if there(left) || !there(live) || len(known.forgot) != 1 || known.forgot[0] != left {
		t.Errorf("left is there: %t; live is there: %t; the caches forgot %q", there(left), there(live), known.forgot)
	}
}
