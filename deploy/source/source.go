// Package source fetches what a ref means from git, a folder or an archive into
// a staging folder.
package source

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"relink/internal/hint"
)

// Source is where an application's code comes from.
type Source interface {
	// Resolve finds what ref means. It writes nothing but the source's own cache.
	Resolve(ctx context.Context, ref string) (Resolved, error)
	// Fetch puts what Resolve found into the folder into, which exists and is
	// empty. After an error the folder may hold anything; the caller removes it.
	Fetch(ctx context.Context, r Resolved, into string, progress Progress) error
}

// Progress is told bytes. total is 0 while it is unknown. It may be nil.
type Progress func(done, total int64)

func (p Progress) report(done, total int64) {
	if p != nil {
		p(done, total)
	}
}

// Resolved is what a ref means.
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

	plan any // what Fetch needs of what Resolve found
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
	ErrLFS         = errors.New("needs Git LFS")
	ErrChanged     = errors.New("changed while it was read")
)

// checkRef refuses what git or the file system would not take for a name: a ref
// may come from a CI job's variables.
func checkRef(ref string) error {
	reason := ""
	switch {
	case ref == "":
		reason = "it is empty"
	case strings.HasPrefix(ref, "-"):
		reason = "it begins with a dash"
	case strings.ContainsFunc(ref, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		reason = "it contains a space or a control character"
	case strings.ContainsAny(ref, `~^:?*[\`) || strings.Contains(ref, "..") || strings.Contains(ref, "@{") || strings.Contains(ref, "//"):
		reason = "it contains what no tag or branch name may contain"
	case !filepath.IsLocal(ref) || strings.HasSuffix(ref, "/"):
		reason = "it is a path"
	}
	if reason == "" {
		return nil
	}
	return hint.With(fmt.Errorf("ref %q: %w: %s", ref, ErrBadRef, reason), "give the name of a tag, a branch or a commit")
}
