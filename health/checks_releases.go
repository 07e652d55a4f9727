package health

import (
	"fmt"

	"relink/internal/ui"
)

var releaseChecks = []Check{{
	Name: "releases", Family: "storage", Bounds: "releases",
	Means: "Releases on disk that are neither live nor kept, by the same rule as relink prune. Judged by health.releases.",
	run:   apps(checkReleases),
}, {
	Name: "disk", Family: "storage", Bounds: "disk",
	Means: "Free space on the file systems of releases and state. Judged by health.disk; less than an application's min_free, which fails its next deploy, is CRITICAL.",
	run:   fileSystems(checkDisk),
}, {
	Name: "inodes", Family: "storage", Bounds: "inodes",
	Means: "Free inodes on the file systems of releases and state; OK where they are made as needed. Judged by health.inodes.",
	run:   fileSystems(checkInodes),
}}

func checkReleases(f *Facts, a *App, t *Thresholds) Result {
	switch {
	case f.Cheap:
		return notAsked()
	case a.Locked != nil:
		return ok("", "not judged: a deploy is under way")
	case a.ReleaseErr != nil:
		return NotMade("", a.ReleaseErr)
	}
	n, bytes := len(a.Prunable), int64(0)
	for _, one := range a.Prunable {
		bytes += one.Bytes
	}
	state := t.own.atMost(float64(n))
	message := fmt.Sprintf("%s beyond those to be kept", ui.Plural(n, "release"))
	if n > 0 {
		message += ", " + ui.Bytes(bytes)
	}
	return judged(state, "", message, fmt.Sprintf(`run "relink prune --app %s"`, a.Name)).
		with(figure("prunable", Count, float64(n), t.own), Figure{Name: "prunable_bytes", Value: float64(bytes), Unit: Bytes})
}

func fileSystems(check func(*FileSystem, *Thresholds) Result) func(*Facts, *Thresholds) []Result {
	return func(f *Facts, t *Thresholds) []Result {
		var results []Result
		for i := range f.FileSystems {
			one := &f.FileSystems[i]
			r := Result{}
			if one.Err != nil {
				r = NotMade("", one.Err)
			} else {
				r = check(one, t)
			}
			r.Subject = one.Path
			results = append(results, r)
		}
		return results
	}
}

const roomFix = `run "relink prune", lower keep, or enlarge the file system`

func checkDisk(fs *FileSystem, t *Thresholds) Result {
	free := share64(fs.FreeBytes, fs.Bytes)
	state := t.own.atLeast(free)
	message := fmt.Sprintf("%s free, %s of %s", ui.Bytes(fs.FreeBytes), ui.Percent(free), ui.Bytes(fs.Bytes))
	switch {
	case fs.FreeBytes < fs.MinFree:
		state = Critical
		message += ", less than min_free: the next deploy fails"
	case state != OK:
		message += ", less than " + ui.Percent(t.own.crossed(state))
	}
	return judged(state, "", message, roomFix).
		with(figure("free", Ratio, free, t.own).least(), Figure{Name: "free_bytes", Value: float64(fs.FreeBytes), Unit: Bytes})
}

func checkInodes(fs *FileSystem, t *Thresholds) Result {
	if fs.Inodes == 0 {
		return ok("", "made as needed")
	}
	free := share64(fs.Free, fs.Inodes)
	state := t.own.atLeast(free)
	message := fmt.Sprintf("%s free, %s", ui.Count(fs.Free), ui.Percent(free))
	if state != OK {
		message += ", less than " + ui.Percent(t.own.crossed(state))
	}
	return judged(state, "", message, roomFix).with(figure("free", Ratio, free, t.own).least())
}

func share64(part, whole int64) float64 {
	if whole <= 0 {
		return 0
	}
	return float64(part) / float64(whole)
}
