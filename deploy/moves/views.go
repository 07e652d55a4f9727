package moves

import (
	"errors"
	"fmt"
	"path/filepath"
	"relink/php"
)

// ErrUnseen: no text of a link leads both this machine and the pools to the release.
var ErrUnseen = errors.New("PHP cannot follow the link")

// LiteralIn is the move's own text or, where one of the pools could not follow
// that, another; view is that of a pool for which there is none.
func LiteralIn(views []php.PathMap, move Move) (literal string, view php.PathMap) {
	texts := []string{move.To.Literal}
	if relative, err := filepath.Rel(filepath.Dir(move.Place), move.To.Real); err == nil {
		texts = append(texts, relative)
	}
	for _, text := range texts {
		if view = whoCannotFollow(views, move, text); view == nil {
			return text, nil
		}
	}
	return "", view
}

func whoCannotFollow(views []php.PathMap, move Move, text string) php.PathMap {
	for _, view := range views {
		if !follows(view, move, text) {
			return view
		}
	}
	return nil
}

func follows(view php.PathMap, move Move, text string) bool {
	if filepath.IsAbs(text) {
		return text == view.ToPool(text)
	}
	return filepath.Join(view.ToPool(filepath.Dir(move.Place)), text) == view.ToPool(move.To.Real)
}

func CannotFollow(move Move, view php.PathMap) error {
	return fmt.Errorf("instance %s: %w: %s, which PHP sees as %s, to %s, which it sees as %s",
		move.Instance, ErrUnseen, move.Place, view.ToPool(move.Place), move.To.Real, view.ToPool(move.To.Real))
}
