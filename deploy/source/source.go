// Package source is what deploys know of where an application's code comes from.
// Each kind of source is a package below it and a line in its registry.
package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"
)

// Source is where an application's code comes from.
type Source interface {
	// Resolve finds what ref means. It writes nothing but the source's own cache.
	Resolve(ctx context.Context, ref string) (Resolved, error)
}

// Reacher is a Source that can tell, by fetching nothing, whether it can be reached.
type Reacher interface {
	Reach(ctx context.Context) error
}

// Resolved is what a ref means, and the way to get it.
type Resolved struct {
	Source      string    // repository without password, folder or archive
	Ref         string    // as asked for
	Commit      string    // full id; empty when the source has none
	Label       string    // for the release's id
	Description string    // one line for people: what kind of ref, commit, subject
	Time        time.Time // of the commit, or of the newest file
	Bytes       int64     // sum of the files' sizes
	Inodes      int64     // files, folders and links
	Notes       []string  // what the user should know, such as an ambiguous name

	Fetcher
}

// Fetcher gets what was resolved.
type Fetcher interface {
	// Fetch puts it into the folder into, which exists and is empty. After an
	// error the folder may hold anything; the caller removes it.
	Fetch(ctx context.Context, into string, progress Progress) error
}

// Updater is a Fetcher that can leave out what is there already.
type Updater interface {
	// Update is Fetch without the files of base that are in what was resolved too, as
	// they are: keeps tells which those are.
	Update(ctx context.Context, into string, base Base, progress Progress) (keeps func(name string) bool, err error)
}

// Base is an earlier release that is there still.
type Base interface {
	// Base says what it was made of.
	Base() (source, commit string)
	// Has tells of a file or link that is as its source brought it.
	Has(name string) (Held, bool)
}

// Held is what an earlier release has under a name.
type Held struct {
	Mode fs.FileMode
	Size int64
	Sum  string // SHA-256, 32 bytes; of a link its text
}

// Progress is told bytes. total is 0 while it is unknown. It may be nil.
type Progress func(done, total int64)

// Report tells it.
func (p Progress) Report(done, total int64) {
	if p != nil {
		p(done, total)
	}
}

// What one release may hold: an archive or a repository that is made to fill the disk
// or the memory is stopped there.
const (
	MostEntries = 1 << 20 // files, folders and links
	MostBytes   = 16 << 30
)

// CheckSize fails with ErrTooLarge where a release would hold more.
func CheckSize(entries, bytes int64) error {
	switch {
	case entries > MostEntries:
		return fmt.Errorf("%w of %d files, folders and links", ErrTooLarge, MostEntries)
	case bytes > MostBytes:
		return fmt.Errorf("%w of %d bytes", ErrTooLarge, MostBytes)
	}
	return nil
}

// Errors that callers tell apart.
var (
	ErrBadRef      = errors.New("not a usable ref")
	ErrUnknownRef  = errors.New("unknown ref")
	ErrAmbiguous   = errors.New("ambiguous commit id")
	ErrUnreachable = errors.New("repository cannot be reached")
	ErrUnsafe      = errors.New("refused as unsafe")
	ErrDamaged     = errors.New("damaged or incomplete")
	ErrTooLarge    = errors.New("larger than the limit")
	ErrFormat      = errors.New("not an archive that relink reads")
)
