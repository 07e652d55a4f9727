package release

import (
	"bytes"
	"io"
	"path/filepath"
	"strings"
)

// placeholder stands for the path of a release. No path has a zero in it, and no script.
const placeholder = "\x00the path of the release\x00"

// placeless passes on what it is given, with the placeholder for the path of a release and,
// where that is spelt otherwise, as in JSON, for the name of its folder: hosts whose releases
// lie in the same place differ in no more than that.
type placeless struct {
	to        io.Writer // takes all, as hashes do
	path, end []byte
	held      []byte // not passed on yet: a path may begin in it
}

func newPlaceless(to io.Writer, path string) *placeless {
	return &placeless{to: to, path: []byte(path), end: []byte("/" + filepath.Base(path))}
}

// Write holds back what may be the beginning of a path.
func (p *placeless) Write(text []byte) (int, error) {
	p.held = append(p.held, text...)
	p.pass(len(p.path) - 1)
	return len(text), nil
}

// finish passes on the rest.
func (p *placeless) finish() { p.pass(0) }

func (p *placeless) pass(back int) {
	passed := 0
	for {
		at := bytes.Index(p.held[passed:], p.end)
		if at < 0 {
			break
		}
		after := passed + at + len(p.end)
		before := after - len(p.end)
		if bytes.HasSuffix(p.held[passed:after], p.path) {
			before = after - len(p.path)
		}
		_, _ = p.to.Write(p.held[passed:before])
		_, _ = io.WriteString(p.to, placeholder)
		passed = after
	}
	rest := max(passed, len(p.held)-back)
	_, _ = p.to.Write(p.held[passed:rest])
	p.held = append(p.held[:0], p.held[rest:]...)
}

// withoutPlace is a text, such as that of a link, with the placeholder for the path.
func withoutPlace(text, path string) string {
	var b strings.Builder
	p := newPlaceless(&b, path)
	_, _ = io.WriteString(p, text)
	p.finish()
	return b.String()
}
