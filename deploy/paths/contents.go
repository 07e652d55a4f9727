package paths

import (
	"relink/deploy/moves"
	"relink/deploy/release"
)

// contents names what releases hold, and reads each manifest once.
type contents struct {
	store *release.Store
	known map[string]string
}

func NewContents(store *release.Store) contents { return contents{store, map[string]string{}} }

// of names the content of a release: the one that it repeats, or itself.
func (c contents) of(id string) string {
	content, known := c.known[id]
	if !known {
		content = id
		if one, err := c.store.Get(id); err == nil {
			content = one.Content()
		}
		c.known[id] = content
	}
	return content
}

// Complete notes what a target repeats: the history is read when it is gone.
func (c contents) Complete(t *moves.Target) {
	if content := c.of(t.Release); content != t.Release {
		t.Content = content
	}
}
