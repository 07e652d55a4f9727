package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"relink/deploy/source"
)

// mostNames bounds the memory that names and targets of links take, of which each may
// be a megabyte in a tar file and yet costs a kilobyte there.
const mostNames = 128 << 20

var errNoFiles = errors.New("it contains no file")

// checker decides on each entry, from names alone and before anything exists:
// an entry must be a file, folder or link inside, and no link or file may lie on the
// way to it.
type checker struct {
	limit   int64
	bytes   int64
	names   int
	kinds   map[string]kind // by clean name, with the folders that are only implied
	links   map[string]string
	dotted  bool // "./" is an entry
	visited int
	files   int
}

type kind byte

const (
	kindImplied kind = iota + 1 // a folder that only names of other entries tell of
	kindFolder
	kindFile
	kindLink
)

func newChecker(limit int64) *checker {
	return &checker{limit: limit, kinds: map[string]kind{}, links: map[string]string{}}
}

// check is a visitor that reads all content and writes nothing.
func (c *checker) check(e entry, content io.Reader) error {
	name, err := c.admit(e)
	if err != nil {
		return err
	}
	if c.kinds[name] != kindFile || e.hard {
		return nil
	}
	_, err = c.count(name, io.Discard, content)
	return err
}

// count copies content and stops at the limit, whatever size the entry claims.
func (c *checker) count(name string, to io.Writer, content io.Reader) (int64, error) {
	n, err := io.Copy(to, io.LimitReader(content, c.limit-c.bytes+1))
	c.bytes += n
	if err == nil && c.bytes > c.limit {
		err = source.ErrTooLarge
	}
	if err != nil {
		return n, fmt.Errorf("%s: %w", name, err)
	}
	return n, nil
}

// admit gives the entry's clean name, or says why it is refused.
func (c *checker) admit(e entry) (string, error) {
	c.visited++
	if err := source.CheckSize(int64(max(c.visited, len(c.kinds))), 0); err != nil {
		return "", err
	}
	if c.names += len(e.name) + len(e.target); c.names > mostNames {
		return "", fmt.Errorf("%w: its names take more than %d bytes", source.ErrTooLarge, mostNames)
	}
	name, err := cleanName(e.name)
	if err != nil {
		return "", err
	}
	k, err := kindOf(e)
	if err != nil {
		return "", err
	}
	if name == "." {
		c.dotted = true
		return name, refuseUnless(k == kindFolder, e.name, "it is not a folder")
	}
	if k == kindFile && !e.hard && e.size > c.limit-c.bytes {
		return "", fmt.Errorf("%s: %w of %d bytes", e.name, source.ErrTooLarge, c.limit)
	}
	if err := c.admitParents(name); err != nil {
		return "", err
	}
	return name, c.admitKind(name, k, e)
}

// cleanName refuses what would leave the release. It also refuses a backslash,
// which some programs for Windows write for a slash, and control characters.
func cleanName(name string) (string, error) {
	switch {
	case name == "":
		return "", fmt.Errorf("entry without a name: %w", source.ErrUnsafe)
	case strings.HasPrefix(name, "/"):
		return "", unsafeEntry(name, "its name is absolute")
	case strings.ContainsRune(name, '\\'):
		return "", unsafeEntry(name, "its name contains a backslash")
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "", unsafeEntry(name, "its name contains a control character")
	}
	for _, element := range strings.Split(name, "/") {
		if element == ".." {
			return "", unsafeEntry(name, "its name leaves the release")
		}
	}
	return path.Clean(name), nil
}

func unsafeEntry(name, reason string) error {
	return fmt.Errorf("%q: %w: %s", name, source.ErrUnsafe, reason)
}

func refuseUnless(ok bool, name, reason string) error {
	if ok {
		return nil
	}
	return unsafeEntry(name, reason)
}

func kindOf(e entry) (kind, error) {
	switch e.mode.Type() {
	case fs.ModeDir:
		return kindFolder, nil
	case fs.ModeSymlink:
		return kindLink, nil
	case 0:
		return kindFile, nil
	}
	return 0, unsafeEntry(e.name, "it is a device, a fifo or another special file")
}

// admitParents: nothing may be written through a link, and that holds for links
// that come later in the archive as well: the name is then taken by a folder.
func (c *checker) admitParents(name string) error {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		switch c.kinds[dir] {
		case kindLink:
			return unsafeEntry(name, "it goes through the link "+dir)
		case kindFile:
			return unsafeEntry(name, "it goes through the file "+dir)
		case kindImplied, kindFolder:
			return nil // whose own parents were admitted with it
		}
		c.kinds[dir] = kindImplied
	}
	return nil
}

func (c *checker) admitKind(name string, k kind, e entry) error {
	was := c.kinds[name]
	folder := was == kindImplied || was == kindFolder
	if was != 0 && folder != (k == kindFolder) {
		return unsafeEntry(name, "the archive has it as a folder and as something else")
	}
	delete(c.links, name) // of entries with one name the last counts
	switch {
	case e.hard:
		target, err := cleanName(e.target)
		if err != nil || c.kinds[target] != kindFile {
			return unsafeEntry(name, fmt.Sprintf("it is a hard link to %q, which is not a file before it in the archive", e.target))
		}
	case k == kindLink && e.target == "":
		return unsafeEntry(name, "it is a link without a target")
	case k == kindLink:
		c.links[name] = e.target
	}
	if k == kindFile && was != kindFile {
		c.files++
	}
	c.kinds[name] = k
	return nil
}

// finish looks at what only the whole archive shows.
func (c *checker) finish() error {
	if c.files == 0 {
		return fmt.Errorf("%w: %w", source.ErrDamaged, errNoFiles)
	}
	return nil
}

func (c *checker) inodes() int64 { return int64(len(c.kinds)) }

// top is the one folder that everything lies in, with a slash at its end, or
// empty when there is none.
func (c *checker) top() string {
	top := ""
	for name, k := range c.kinds {
		first, _, below := strings.Cut(name, "/")
		if top == "" {
			top = first
		}
		if first != top || !below && k != kindFolder && k != kindImplied {
			return ""
		}
	}
	if top == "" || c.dotted {
		return ""
	}
	return top + "/"
}
