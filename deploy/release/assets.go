package release

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"relink/internal/durable"
	"relink/internal/tree"
)

// Assets are what a release itself brought below some of its folders: the files
// that browsers ask for by names that pages have told them. What was carried into
// the release from others is not among them.
type Assets struct {
	Folders []string `json:"folders"` // relative, in which it was looked
	Files   []string `json:"files"`   // sorted
}

// within tells whether the release's path is in one of the folders.
func (a *Assets) within(name string) bool {
	return slices.ContainsFunc(a.Folders, func(folder string) bool { return tree.Within(name, folder) })
}

// carried tells of a path of the release whether it came from another one.
func (a *Assets) carried(name string) bool {
	if a == nil || !a.within(name) {
		return false
	}
	_, own := slices.BinarySearch(a.Files, name)
	return !own
}

// CarryAssets gives each of the releases into what any other sealed release
// brought below the folders and they do not have, as hard links. A page that one
// of them has made then finds its style sheet whichever of them serves by now.
//
// What a release brought is written down before anything is carried into it: so
// nothing is handed on for longer than the release that brought it is kept, and
// nothing that was put into a release later, by whomever, is handed on at all.
// It may be interrupted, and done again. More than 200,000 assets in one of the folders, or
// 40 folders deep, are an error.
func (s *Store) CarryAssets(ctx context.Context, folders, into []string) (links int, err error) {
	releases, err := s.List()
	if err != nil {
		return 0, err
	}
	own := map[string][]string{}
	for _, r := range releases {
		if !r.Sealed {
			continue
		}
		if own[r.ID], err = s.ownAssets(ctx, r.ID, folders); err != nil {
			return 0, fmt.Errorf("assets of release %s: %w", r.ID, err)
		}
	}
	for _, target := range into {
		for _, r := range releases { // newest first: its file wins
			if _, sealed := own[target]; r.ID == target || !sealed || len(own[r.ID]) == 0 {
				continue
			}
			n, err := s.carryFrom(ctx, r, target, own[r.ID])
			if links += n; err == nil && n > 0 {
				err = durable.SyncFileSystem(s.Path(target))
			}
			if err != nil {
				return links, fmt.Errorf("carry assets of release %s into %s: %w", r.ID, target, err)
			}
		}
	}
	return links, nil
}

// ownAssets is what the release brought. It looks only where it has not looked before.
func (s *Store) ownAssets(ctx context.Context, id string, folders []string) ([]string, error) {
	rec, err := s.readRecord(id)
	if err != nil {
		return nil, err
	}
	known := cmp.Or(rec.Assets, &Assets{})
	unknown := slices.DeleteFunc(slices.Clone(folders), known.within)
	if rec.Assets == nil || len(unknown) > 0 {
		files := slices.Clone(known.Files)
		for _, folder := range unknown {
			found, err := s.listAssets(ctx, id, folder)
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
		slices.Sort(files)
		rec.Assets = &Assets{Folders: slices.Concat(known.Folders, unknown), Files: slices.Compact(files)}
		if err := s.writeRecord(id, rec); err != nil {
			return nil, err
		}
	}
	asked := Assets{Folders: folders}
	return slices.DeleteFunc(slices.Clone(rec.Assets.Files), func(file string) bool { return !asked.within(file) }), nil
}

// notAssets are names of files that a web server may run or be configured by, in
// any part of the name (mod_mime looks at every one).
var notAssets = regexp.MustCompile(`(?i)\.(ph(p\d?|ps|tml|t|ar)|inc|cgi|fcgi|pl|py|rb|sh|shtml|asis|lua)(\.|$)`)

// isAsset: no hidden file (.htaccess, .user.ini), and nothing that is run.
func isAsset(name string) bool {
	base := path.Base(name)
	return !strings.HasPrefix(base, ".") && !notAssets.MatchString(base)
}
