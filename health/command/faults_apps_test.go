package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/deploy/journal"
	"relink/deploy/moves"
	"relink/deploy/release"
	"relink/fcgi"
	"relink/health"
	"relink/health/gather"
	"relink/internal/config"
	"relink/internal/sandbox"
	"relink/opcache"

	"golang.org/x/sys/unix"
)

func TestLinks(t *testing.T) {
	for name, c := range map[string]struct {
		fault func(*scene, string) // on club2's link
		state health.State
		words string
	}{
		"dangling":   {func(s *scene, link string) { s.link("club2", "gone") }, health.Critical, "which does not exist"},
		"missing":    {func(s *scene, link string) { s.must(os.Remove(link)) }, health.Critical, "there is no link"},
		"folder":     {func(s *scene, link string) { s.must(os.Remove(link)); s.must(os.Mkdir(link, 0o755)) }, health.Warning, "not a symbolic link"},
		"loop":       {func(s *scene, link string) { s.must(os.Remove(link)); s.must(os.Symlink(link, link)) }, health.Critical, "too many levels of symbolic links"},
		"no release": {func(s *scene, link string) { s.link("club2", "../www") }, health.Warning, "is no release"},
		"incomplete": {func(s *scene, link string) {
			s.must(os.Mkdir(s.path("releases", "hand"), 0o755))
			s.link("club2", "hand")
		}, health.Warning, "not completed by relink"},
		"bad": {func(s *scene, link string) { s.must(s.store.MarkBad("v1", "500 on the front page")) }, health.Warning, "marked bad: 500"},
		"manifest": {func(s *scene, link string) {
			s.must(os.WriteFile(s.path("releases", ".relink", "v1.json"), []byte("{"), 0o644))
		}, health.Warning, "manifest of release v1"},
		"no docroot":  {func(s *scene, link string) { s.deps.Apps[0].Docroot = "public" }, health.Critical, "document root"},
		"no folder":   {func(s *scene, link string) { s.deps.Apps[0].Instances[1].Link = s.path("nowhere", "club2") }, health.Critical, "the folder for the link"},
		"never there": {func(s *scene, link string) { s.must(os.Remove(link)); s.must(os.Remove(s.path("www", "club1"))) }, health.Warning, "never deployed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := withoutPools(t)
			s.fires(s.evaluate(), "links", health.OK, "2 links in order")
			c.fault(s, s.path("www", "club2"))
			s.fires(s.evaluate(), "links", c.state, c.words)
		})
	}
}

// withoutPools is a scene without PHP, for what lies on disk only.
func withoutPools(t *testing.T) *scene {
	t.Helper()
	s := &scene{t: t, ctx: t.Context()}
	_, s.limits = FromConfig(parsed(t, ""))
	var err error
	if s.root, err = sandbox.TempRoot(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.root) })
	s.application()
	s.deps.Pools = noPools
	return s
}

func TestMixedReleases(t *testing.T) {
	s := withoutPools(t)
	s.release("v2")
	s.link("club2", "v2")
	s.age("club2", 23*time.Hour)
	s.fires(s.evaluate(), "mixed-releases", health.OK)
	s.age("club2", 25*time.Hour)
	s.age("club1", 200*time.Hour)
	s.fires(s.evaluate(), "mixed-releases", health.Warning, "2 releases for 1 d 1 h: 1 of 2 instances on the newest, v2")
	s.age("club2", 170*time.Hour)
	s.fires(s.evaluate(), "mixed-releases", health.Critical)
	s.link("club1", "v2")
	s.fires(s.evaluate(), "mixed-releases", health.OK)
}

// age makes a link that old.
func (s *scene) age(instance string, age time.Duration) {
	s.t.Helper()
	at := unix.NsecToTimeval(time.Now().Add(-age).UnixNano())
	s.must(unix.Lutimes(s.path("www", instance), []unix.Timeval{at, at}))
}

// In a partial deploy both releases are live, and keys through the moved link
// lead to the new one: nothing is wrong.
func TestPartialDeployIsNotStale(t *testing.T) {
	s := newScene(t, sound("php", sandbox.Pool{Name: "www", Workers: 1}))
	s.get("www", s.path("www", "club1", "index.php"))
	s.get("www", s.path("www", "club2", "page.php"))
	s.release("v2")
	s.link("club2", "v2")
	agent := s.agent("www")
	_, err := agent.Sweep(s.ctx)
	s.must(err)
	_, err = agent.Invalidate(s.ctx, []string{s.path("releases", "v1", "page.php")}, 0)
	s.must(err)
	s.get("www", s.path("www", "club2", "page.php"))
	s.get("www", s.path("www", "club1", "page.php"))
	s.quiet(s.evaluate())
}

func TestOldRelease(t *testing.T) {
	s := newScene(t)
	page := s.path("www", "club1", "page.php")
	s.get("www", page)
	s.release("v2")
	s.link("club1", "v2")
	s.link("club2", "v2")
	s.get("www", s.path("releases", "v2", "page.php")) // so that the key cannot be told from a good one
	if got := s.get("www", page); got != "page of v1" {
		t.Fatalf("the fault is not there: %q", got)
	}
	s.fires(s.evaluate(), "old-release", health.OK) // the links moved a moment ago: workers may still end what they began
	s.age("club1", time.Hour)
	s.age("club2", time.Hour)
	s.get("www", page)
	results := s.evaluate()
	s.fires(results, "old-release", health.Critical, "v1")
	s.quiet(results, "old-release")

	t.Run("a link that is not configured keeps it", func(t *testing.T) {
		s.must(os.Symlink(s.path("releases", "v1"), s.path("www", "unnamed")))
		s.fires(s.evaluate(), "old-release", health.OK)
		s.must(os.Remove(s.path("www", "unnamed")))
	})
	t.Run("a request from before the switch explains it", func(t *testing.T) {
		s.t = t
		end := s.slow("www")
		s.age("club1", 0)
		s.age("club2", 0)
		s.limits.Settle = -time.Hour
		s.fires(s.evaluate(), "old-release", health.OK, "began before the switch", "GET")
		end()
	})
}

func TestStaleWorkers(t *testing.T) {
	s := newScene(t)
	address, err := fcgi.ParseAddress(s.server.Pool("").Address)
	s.must(err)
	status, err := fcgi.Status(s.ctx, address, sandbox.StatusPath)
	s.must(err)
	journal := s.journal(journal.PhaseSettled)
	journal.Stale = []opcache.Worker{{Pool: address.String(), PID: status.Processes[0].PID}, {Pool: address.String(), PID: 1}}
	s.write(journal)
	results := s.evaluate()
	s.fires(results, "stale-workers", health.Warning, "may be on an old release since the last deploy: worker")
	s.quiet(results, "stale-workers")
	journal.Stale[0].Ends = true // it serves no further page
	s.write(journal)
	results = s.evaluate()
	s.fires(results, "stale-workers", health.OK, "end with it: worker")
	s.quiet(results)
	journal.Stale = journal.Stale[1:]
	s.write(journal)
	s.quiet(s.evaluate())
	journal.Stale[0].Pool = "unix:/elsewhere.sock"
	s.write(journal)
	s.fires(s.evaluate(), "stale-workers", health.Unknown, "/elsewhere.sock")
}

func (s *scene) journal(phase journal.Phase) journal.Journal {
	link := s.path("www", "club1")
	return journal.Journal{
		App: "booking", Operation: journal.OperationDeploy, Phase: phase, ID: "x", Release: "v2", Started: time.Now(),
		Moves: moves.Plan{{Instance: "club1", Link: link, Place: link, From: moves.Target{Release: "v1", Real: s.path("releases", "v1")}, To: moves.Target{Release: "v2", Real: s.path("releases", "v2")}}},
	}
}

func (s *scene) write(j journal.Journal) {
	s.t.Helper()
	text, err := json.Marshal(j)
	s.must(err)
	s.must(os.WriteFile(s.path("state", "booking.journal.json"), text, 0o644))
}

func TestDeploys(t *testing.T) {
	s := withoutPools(t)
	s.fires(s.evaluate(), "deploy", health.OK, "none yet")
	for phase, want := range map[journal.Phase]health.State{
		journal.PhaseStaging: health.Warning, journal.PhaseStaged: health.Warning, journal.PhaseSwitching: health.Critical,
		journal.PhaseMoved: health.Critical, journal.PhaseCutOver: health.Critical, journal.PhaseSettled: health.OK,
	} {
		s.write(s.journal(phase))
		words := "was interrupted (" + string(phase) + ")"
		if want == health.OK {
			words = "none yet"
		}
		s.fires(s.evaluate(), "deploy", want, words)
	}
	s.must(os.WriteFile(s.path("state", "booking.journal.json"), []byte("{"), 0o644))
	s.fires(s.evaluate(), "deploy", health.Critical, "unreadable journal")
	s.must(os.Remove(s.path("state", "booking.journal.json")))

	event := journal.Event{ID: "1", Time: time.Now(), Operation: journal.OperationDeploy, Release: "v2"}
	s.record(event)
	s.fires(s.evaluate(), "deploy", health.OK, "deploy of v2 at")
	event.Undone = "check of club1: status 500"
	s.record(event)
	s.fires(s.evaluate(), "deploy", health.Warning, "failed and was rolled back: check of club1: status 500")
	s.append("a line that a cra")
	s.fires(s.evaluate(), "deploy", health.Warning)
}

func (s *scene) record(e journal.Event) {
	s.t.Helper()
	line, err := json.Marshal(e)
	s.must(err)
	s.append(string(line) + "\n")
}

func (s *scene) append(text string) {
	s.t.Helper()
	file, err := os.OpenFile(s.path("state", "booking.history.jsonl"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	s.must(err)
	_, err = file.WriteString(text)
	s.must(err)
	s.must(file.Close())
}

func TestReleasesBeyondKeep(t *testing.T) {
	s := withoutPools(t)
	for _, id := range []string{"v2", "v3", "v4"} {
		s.release(id)
	}
	s.fires(s.evaluate(), "releases", health.OK, "2 releases beyond")
	s.release("v5")
	s.fires(s.evaluate(), "releases", health.Warning, "3 releases beyond those to be kept")
}

func TestDisk(t *testing.T) {
	s := withoutPools(t)
	s.limits.Bounds["disk"] = config.Bounds{Warning: 1, Critical: 0}
	s.limits.Bounds["inodes"] = config.Bounds{Warning: 1, Critical: 0}
	results := s.evaluate()
	s.fires(results, "disk", health.Warning, "less than 100 %")
	if space, err := release.FreeSpace(s.root); err == nil && space.Inodes >= 0 {
		s.fires(results, "inodes", health.Warning)
	}
	_, s.limits = FromConfig(parsed(t, ""))
	s.deps.Apps[0].MinFree = 1 << 62
	s.fires(s.evaluate(), "disk", health.Critical, "the next deploy fails")
	s.deps.Apps[0].Releases = filepath.Join(s.path("releases", ".relink", "v1.json"), "below")
	s.fires(s.evaluate(), "disk", health.Unknown, "not a directory")
}

func TestStateThatCannotBeWrittenIsTold(t *testing.T) {
	s := newScene(t)
	blocked := s.path("blocked")
	s.must(os.WriteFile(blocked, nil, 0o644))
	s.deps.Samples = gather.Folder(filepath.Join(blocked, "health"))
	results := s.evaluate()
	for _, check := range []string{"max-children", "restarts", "hit-rate"} {
		s.fires(results, check, health.Unknown, "no sample can be kept", "not a directory")
	}
}
