package moves

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"relink/internal/links"
	"relink/php"
)

// ErrUnseen: no text of a link leads both this machine and the pools to the release.
var ErrUnseen = errors.New("PHP cannot follow the link")

// Fit chooses, for pools that see the files under other paths (a chroot, a
// container), texts of the links that hold there too: the pool follows a link by
// its own folders. An absolute link would lead it to the path of this machine; a
// relative one holds where link and release keep their way to each other. What it
// returns are the links for which there is no such text.
func (p Plan) Fit(views []php.PathMap) (unseen []error) {
	for i, move := range p {
		if !move.Needed() || !move.To.Exists() {
			continue
		}
		literal, view := literalIn(views, move)
		if view != nil {
			unseen = append(unseen, fmt.Errorf("instance %s: %w: %s, which PHP sees as %s, to %s, which it sees as %s",
				move.Instance, ErrUnseen, move.Place, view.ToPool(move.Place), move.To.Real, view.ToPool(move.To.Real)))
			continue
		}
		p[i].To.Literal = literal
	}
	return unseen
}

// literalIn is the move's own text or, where one of the pools could not follow
// that, another; view is that of a pool for which there is none.
func literalIn(views []php.PathMap, move Move) (literal string, view php.PathMap) {
	texts := []string{move.To.Literal}
	if relative, err := filepath.Rel(filepath.Dir(move.Place), named(move)); err == nil {
		texts = append(texts, relative)
	}
	for _, text := range texts {
		i := slices.IndexFunc(views, func(v php.PathMap) bool { return !follows(v, move, text) })
		if i < 0 {
			return text, nil
		}
		view = views[i]
	}
	return "", view
}

func follows(view php.PathMap, move Move, text string) bool {
	if filepath.IsAbs(text) {
		return text == view.ToPool(text)
	}
	return filepath.Join(view.ToPool(filepath.Dir(move.Place)), text) == view.ToPool(named(move))
}

func named(move Move) string { return links.Named(move.To.Real, move.To.Release) }
