package e2e

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os/exec"
	"strings"
	"time"

	"relink/deploy/outcome"
	"relink/internal/sandbox/load"
)

// relink runs the program, wants it to succeed, and wants each instance on what
// it is on then, or on its own ref of moved. A request that began after the
// program had returned is answered by that release.
func (f *front) relink(moved map[string]string, args ...string) outcome.Report {
	f.t.Helper()
	report, ended := f.run(args...)
	if report.Exit != 0 {
		f.t.Fatalf("relink %q: exit %d: %+v, warnings %q", args, report.Exit, *report.Error, report.Warnings)
	}
	maps.Copy(f.on, moved)
	f.wantPages(fmt.Sprintf("after relink %q", args))
	f.wantLoad(ended, args)
	if f.t.Failed() {
		f.t.FailNow() // what comes after a wrong page tells nothing
	}
	return report
}

func (f *front) run(args ...string) (outcome.Report, time.Time) {
	f.t.Helper()
	command := relinkCommand(f.ctx, f.program, f.path("relink.yaml"), args...)
	var stderr strings.Builder
	command.Stderr = &stderr
	out, err := command.Output()
	ended := time.Now()
	var report outcome.Report
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) || json.Unmarshal(out, &report) != nil {
		f.t.Fatalf("relink %q: %v\n%s%s", args, err, out, stderr.String())
	}
	return report, ended
}

// release is the ref that all parts of a page name; a page of two releases is
// one of "v1 v2".
func release(body []byte, _ http.Header) string {
	parts := strings.Fields(string(body))
	for _, part := range parts {
		if part != parts[0] {
			return string(body)
		}
	}
	return strings.Join(parts[:min(1, len(parts))], "")
}

// rounds is how often each page is asked: several times for each worker or child.
func (f *front) rounds() int { return 3 * max(f.workers(), children) }

// wantPages asks each site until every worker has been asked often.
func (f *front) wantPages(when string) {
	f.t.Helper()
	for _, club := range clubs {
		for _, page := range f.pages {
			wrong, last := 0, ""
			for range f.rounds() {
				status, body := f.get(club, page)
				if got := release([]byte(body), nil); status != http.StatusOK || got != f.on[club] {
					wrong, last = wrong+1, fmt.Sprint(status, " ", body)
				}
			}
			if wrong > 0 {
				f.t.Errorf("%s: %d of %d answers of %s%s are not of %s, such as %.200q", when, wrong, f.rounds(), club, page, f.on[club], last)
			}
		}
	}
}

// wantLoad judges what the load has met since the program returned.
func (f *front) wantLoad(ended time.Time, args []string) {
	f.t.Helper()
	if f.load == nil {
		return
	}
	for _, seen := range f.load.Result().Seen(ended) {
		club := strings.TrimSuffix(seen.Host, ".test")
		if seen.Release != f.on[club] {
			f.t.Errorf("relink %q: %d pages of %s that began after it were of %s, want %s", args, seen.Answers, club, seen.Release, f.on[club])
		}
	}
}

// get asks on a connection of its own: a kept one would meet the same child of
// mod_php each time.
func (f *front) get(club, page string) (int, string) {
	f.t.Helper()
	status, body, err := f.try(club, page)
	f.must(err)
	return status, body
}

func (f *front) try(club, page string) (int, string, error) {
	request, err := http.NewRequestWithContext(f.ctx, http.MethodGet, f.server.URL()+page, nil)
	if err != nil {
		return 0, "", err
	}
	request.Host, request.Close = club+".test", true
	client := http.Client{Timeout: patience}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	return response.StatusCode, string(body), err
}

// beginLoad puts a light load on all sites.
func (f *front) beginLoad() {
	f.t.Helper()
	var hosts []string
	for _, club := range clubs {
		hosts = append(hosts, club+".test")
	}
	var err error
	f.load, err = load.Run(f.ctx, load.Options{URL: f.server.URL(), Hosts: hosts, Paths: f.pages, Clients: 3,
		Release: release, Pause: 25 * time.Millisecond, Timeout: patience})
	f.must(err)
}

// beginSlow begins a request that a deploy meets; awaitSlow wants it to be
// answered by the release that it began on.
func (f *front) beginSlow() {
	done := make(chan string, 1)
	go func() {
		status, body, err := f.try("club3", "/slow.php")
		done <- fmt.Sprint(status, " ", body, err)
	}()
	f.slow = done
}

func (f *front) awaitSlow(ref string) {
	f.t.Helper()
	if got, want := <-f.slow, fmt.Sprintf("200 %[1]s %[1]s<nil>", ref); got != want {
		f.t.Errorf("the long request was answered by %q, want %q", got, want)
	}
}
