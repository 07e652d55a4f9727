package crash

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relink/deploy/outcome"

	"golang.org/x/sys/unix"
)

// errnos are what each call may be answered with.
var errnos = map[string][]unix.Errno{
	"create":    {unix.ENOSPC, unix.EMFILE, unix.EACCES, unix.EROFS, unix.EIO},
	"write":     {unix.ENOSPC, unix.EIO},
	"fsync":     {unix.EIO, unix.ENOSPC},
	"syncfs":    {unix.EIO, unix.ENOSPC},
	"mkdir":     {unix.ENOSPC, unix.EROFS, unix.EACCES},
	"symlink":   {unix.ENOSPC, unix.EROFS, unix.EACCES},
	"link":      {unix.EXDEV, unix.ENOSPC, unix.EACCES},
	"rename":    {unix.EXDEV, unix.EACCES, unix.EIO, unix.ENOSPC, unix.EROFS},
	"unlink":    {unix.EROFS, unix.EACCES, unix.EIO},
	"rmdir":     {unix.EROFS, unix.EACCES, unix.EIO},
	"chmod":     {unix.EROFS, unix.EACCES, unix.EIO},
	"chown":     {unix.EROFS, unix.EACCES, unix.EIO},
	"utimes":    {unix.EROFS, unix.EACCES, unix.EIO},
	"truncate":  {unix.EIO, unix.EROFS},
	"fallocate": {unix.ENOSPC, unix.EIO},
}

// fault is a call of a deploy, and the error that it and all of its kind get.
type fault struct {
	event
	errno unix.Errno
}

// faults takes each kind of call once, and the errors in turn.
func faults(events []event) (all []fault) {
	var seen []string
	turn := map[string]int{}
	for _, e := range events {
		possible := errnos[e.Call]
		if len(possible) == 0 || slices.Contains(seen, e.kind()) {
			continue
		}
		seen = append(seen, e.kind())
		all = append(all, fault{e, possible[turn[e.Call]%len(possible)]})
		turn[e.Call]++
	}
	return all
}

// TestFailing has each kind of call that changes a file fail, for good, while a
// deploy runs: it says what failed and what serves, nothing is lost, and the next
// deploy, after the fault has gone, makes everything whole.
func TestFailing(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.good("deploy", "v1", "--all")
	w.good("deploy", "v2", "--all")
	w.good("deploy", "v3", "--all")
	w.beginLoad()
	cases := faults(w.record("deploy", w.next("club1"), "--all"))
	failed := 0
	for _, f := range cases {
		done := w.run(order{Fail: f.kind(), Errno: int(f.errno)}, "deploy", w.next("club1"), "--all")
		if done.code != 0 {
			failed++
		}
		found := done.wrongly(f)
		for _, site := range sites {
			if err := w.leads(site); err != nil {
				found = append(found, fmt.Sprintf("%s: %v", site, err))
			}
		}
		if next := w.relink("deploy", w.next("club1"), "--all"); next.code != 0 {
			found = append(found, fmt.Sprintf("the next deploy: exit %d: %s", next.code, next.stderr))
		}
		for _, text := range append(found, w.wrong()...) {
			t.Errorf("%s answered %s (exit %d): %s", f.kind(), unix.ErrnoName(f.errno), done.code, text)
		}
	}
	result := w.endLoad()
	t.Logf("%d faults, %d of them failed a deploy, %d requests", len(cases), failed, result.Requests)
	if len(cases) < 60 {
		t.Errorf("%d faults, want at least 60", len(cases))
	}
}

// wrongly lists what is wrong with how a deploy has ended that met a fault.
func (e ended) wrongly(f fault) (found []string) {
	switch {
	case strings.Contains(e.stderr, "panic") || e.code < 0:
		return []string{"crashed: " + e.stderr}
	case e.code == 0:
		return nil
	}
	if e.code != 1 && e.code != 3 && e.code != 4 {
		found = append(found, "is no exit status of a failed deploy: "+e.stderr)
	}
	var report outcome.Report
	if err := json.Unmarshal(e.out, &report); err != nil || report.Error == nil {
		return append(found, fmt.Sprintf("is no report: %v: %s%s", err, e.out, e.stderr))
	}
	said := report.Error.Message
	if !strings.Contains(said, f.errno.Error()) {
		found = append(found, "does not say why: "+said)
	}
	if len(report.Error.Serving) == 0 {
		found = append(found, "does not say what serves: "+said)
	}
	if !strings.Contains(said, part(f.Path)) && !strings.Contains(said, filepath.Base(f.Path)) {
		found = append(found, "does not say what it failed on: "+said)
	}
	return found
}

// part is the folder of the town to which a path belongs, which a message has to name.
func part(path string) string {
	_, below, _ := strings.Cut(path, "/relink-")
	_, below, _ = strings.Cut(below, "/")
	first, _, _ := strings.Cut(below, "/")
	return "/" + first
}
