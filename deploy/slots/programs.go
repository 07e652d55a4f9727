package slots

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"relink/internal/links"
	"relink/internal/proc"
)

// program is a process that may read files of a release for as long as it runs, such as
// the worker of a queue that was started from it.
type program struct {
	folder string // its working folder, without links; "" where that is not to be seen
	begun  time.Time
	ours   bool // its command line names the application
	hidden bool // its working folder is not to be seen, and its command line names no folder
}

type programs []program

// programs looks at the processes that may have been started from a release. What FPM
// and Apache run is asked otherwise.
func (s Slots) programs(ctx context.Context) (programs, error) {
	all, err := proc.All(ctx)
	if err != nil {
		return nil, err
	}
	var found programs
	for _, p := range all {
		name, err := proc.Name(p)
		if err != nil || !strings.HasPrefix(name, "php") || strings.HasPrefix(name, "php-fpm") {
			continue // it has ended, or runs no PHP
		}
		begun, err := p.CreateTimeWithContext(ctx)
		if err != nil {
			continue
		}
		line := proc.Title(p)
		one := program{begun: time.UnixMilli(begun), ours: s.names(line)}
		one.folder, err = os.Readlink(proc.Path(int(p.Pid), "cwd"))
		one.hidden = err != nil && !strings.Contains(line, " /") // of another user: "php artisan queue:work"
		found = append(found, one)
	}
	return found, nil
}

// names tells whether a command line names a path of the application.
func (s Slots) names(line string) bool {
	folders := []string{s.Store.Dir(), filepath.Clean(s.App.Releases)}
	for _, site := range s.App.Instances {
		folders = append(folders, site.Link)
	}
	return slices.ContainsFunc(folders, func(folder string) bool { return strings.Contains(line, folder+"/") })
}

// mayRunFrom tells whether one of them may have been started from a slot, which links
// left then.
func (all programs) mayRunFrom(slot string, left time.Time) bool {
	return slices.ContainsFunc(all, func(p program) bool {
		return links.Within(p.folder, slot) || p.begun.Before(left) && (p.ours || p.hidden)
	})
}
