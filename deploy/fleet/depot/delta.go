package depot

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// goneMark begins the line of a name that is not in a list any more.
const goneMark = "- "

// delta is what a list says otherwise than an earlier one: its head, the lines of entries
// that are new or changed, and the names of those that have gone.
func (l List) delta(base List) ([]byte, error) {
	text, err := json.Marshal(l.Head)
	if err != nil {
		return nil, err
	}
	text = append(text, '\n')
	earlier := base.byName()
	for _, e := range l.Entries {
		was, there := earlier[e.Name]
		delete(earlier, e.Name)
		if line := e.line(nil); !there || !bytes.Equal(line, was.line(nil)) {
			text = append(text, line...)
		}
	}
	for _, e := range base.Entries {
		if _, is := earlier[e.Name]; is {
			text = append(strconv.AppendQuote(append(text, goneMark...), e.Name), '\n')
		}
	}
	return text, nil
}

// apply gives the list of which delta was made. Whoever has its id can tell that it is that.
func apply(delta []byte, base List) (l List, err error) {
	head, rest, _ := bytes.Cut(delta, []byte("\n"))
	if err := json.Unmarshal(head, &l.Head); err != nil {
		return l, fmt.Errorf("%w: %w", ErrList, err)
	}
	all := base.byName()
	for line := range bytes.Lines(rest) {
		var e Entry
		quoted, goes := strings.CutPrefix(string(line), goneMark)
		if goes {
			e.Name, err = strconv.Unquote(strings.TrimSuffix(quoted, "\n"))
			delete(all, e.Name)
		} else if e, err = parseLine(string(line)); err == nil {
			all[e.Name] = e
		}
		if err != nil {
			return l, fmt.Errorf("%w: %q: %w", ErrList, line, err)
		}
	}
	l.Entries = slices.SortedFunc(maps.Values(all), func(a, b Entry) int { return cmp.Compare(a.Name, b.Name) })
	return l, l.check()
}

func (l List) byName() map[string]Entry {
	all := make(map[string]Entry, len(l.Entries))
	for _, e := range l.Entries {
		all[e.Name] = e
	}
	return all
}
