package archive

import (
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"relink/deploy/source"
)

// mostNames bounds the memory that names and targets of links take, of which each may
// be a megabyte in a tar file and yet costs a kilobyte there.
const mostNames = 128 << 20

// checker decides on each entry, from names alone and before anything exists:
// an entry must be a file, folder or link inside, and no link or file may lie on the
// way to it.
type checker struct {
	limit   int64
	bytes   int64
	names   int
	entries map[string]entry // by clean name; of those with one name the last
	dotted  bool             // "./" is an entry
	visited int
	hard    bool // there are hard links
}

func newChecker(limit int64) *checker { return &checker{limit: limit, entries: map[string]entry{}} }

// check is a visitor that reads all content and writes nothing.
func (c *checker) check(e entry, content io.Reader) error {
	name, err := c.admit(e)
	if err != nil || !e.mode.IsRegular() || e.hard {
		return err
	}
	return c.count(name, io.Discard, content)
}

// count copies content and stops at the limit, whatever size the entry claims.
func (c *checker) count(name string, to io.Writer, content io.Reader) error {
	n, err := io.Copy(to, io.LimitReader(content, c.limit-c.bytes+1))
	c.bytes += n
	if err == nil && c.bytes > c.limit {
		err = source.ErrTooLarge
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// admit gives the entry's clean name, or says why it is refused.
func (c *checker) admit(e entry) (string, error) {
	c.visited++
	if err := source.CheckSize(int64(max(c.visited, len(c.entries))), 0); err != nil {
		return "", err
	}
	if c.names += len(e.name) + len(e.target); c.names > mostNames {
		return "", fmt.Errorf("%w: its names take more than %d bytes", source.ErrTooLarge, mostNames)
	}
	name, err := cleanName(e.name)
	if err != nil {
		return "", err
	}
	switch e.mode.Type() {
	case 0, fs.ModeDir, fs.ModeSymlink:
	default:
		return "", unsafeEntry(e.name, "it is a device, a fifo or another special file")
	}
	if name == "." {
		if c.dotted = e.mode.IsDir(); !c.dotted {
			return "", unsafeEntry(e.name, "it is not a folder")
		}
		return name, nil
	}
	if e.mode.IsRegular() && !e.hard && e.size > c.limit-c.bytes {
		return "", fmt.Errorf("%s: %w of %d bytes", e.name, source.ErrTooLarge, c.limit)
	}
	if err := c.admitParents(name); err != nil {
		return "", err
	}
	return name, c.admitKind(name, e)
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
	case slices.Contains(strings.Split(name, "/"), ".."):
		return "", unsafeEntry(name, "its name leaves the release")
	}
	return path.Clean(name), nil
}

func unsafeEntry(name, reason string) error {
	return fmt.Errorf("%q: %w: %s", name, source.ErrUnsafe, reason)
}

// admitParents: nothing may be written through a link, and that holds for links
// that come later in the archive as well: the name is then taken by a folder.
func (c *checker) admitParents(name string) error {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		parent, known := c.entries[dir]
		switch {
		case !known:
			c.entries[dir] = entry{mode: fs.ModeDir} // only names of others tell of it
		case parent.mode.IsDir():
			return nil // whose own parents were admitted with it
		case parent.mode.IsRegular():
			return unsafeEntry(name, "it goes through the file "+dir)
		default:
			return unsafeEntry(name, "it goes through the link "+dir)
		}
	}
	return nil
}

func (c *checker) admitKind(name string, e entry) error {
	if was, known := c.entries[name]; known && was.mode.IsDir() != e.mode.IsDir() {
		return unsafeEntry(name, "the archive has it as a folder and as something else")
	}
	if e.mode.Type() == fs.ModeSymlink && e.target == "" {
		return unsafeEntry(name, "it is a link without a target")
	}
	if e.hard {
		c.hard = true
		target, err := cleanName(e.target)
		if of, known := c.entries[target]; err != nil || !known || !of.mode.IsRegular() {
			return unsafeEntry(name, fmt.Sprintf("it is a hard link to %q, which is not a file before it in the archive", e.target))
		}
	}
	c.entries[name] = e
	return nil
}

// finish looks at what only the whole archive shows.
func (c *checker) finish() error {
	for _, e := range c.entries {
		if e.mode.IsRegular() {
			return nil
		}
	}
	return fmt.Errorf("%w: it contains no file", source.ErrDamaged)
}

// top is the one folder that everything lies in, with a slash at its end, or
// empty when there is none.
func (c *checker) top() string {
	top := ""
	for name, e := range c.entries {
		first, _, below := strings.Cut(name, "/")
		if top == "" {
			top = first
		}
		if first != top || !below && !e.mode.IsDir() {
			return ""
		}
	}
	if top == "" || c.dotted {
		return ""
	}
	return top + "/"
}
