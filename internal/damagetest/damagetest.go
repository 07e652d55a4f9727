// Package damagetest makes of a file's content what a crash, a full disk, a broken
// connection or a bad sector makes of it: seeds for the fuzz tests, which the ordinary
// tests run too.
package damagetest

import (
	"bytes"
	"iter"
)

// Of gives the text cut to each length, with each byte changed, and overwritten by
// zeros.
func Of(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for n := range text {
			changed := bytes.Clone(text)
			changed[n] ^= 0xff
			if !yield(text[:n:n]) || !yield(changed) {
				return
			}
		}
		yield(make([]byte, len(text)))
	}
}
