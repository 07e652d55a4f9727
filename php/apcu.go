package php

import "context"

// APCu is what the user cache held that the workers of one master, or of one Apache, share
// beside OPcache.
type APCu struct {
	There   bool  `json:"there"` // the extension is loaded, and on
	Entries int64 `json:"entries"`
	Bytes   int64 `json:"bytes"` // of the entries
}

// ClearAPCu empties it, and tells what it held. An answer of more than 1 MiB is
// fcgi.ErrTooLarge.
func (a *Agent) ClearAPCu(ctx context.Context) (held APCu, err error) {
	_, err = a.call(ctx, opAPCu, nil, &held)
	return held, err
}
