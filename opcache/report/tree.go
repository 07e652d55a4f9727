package report

import (
	"cmp"
	"slices"
	"strings"

	"relink/internal/ui"
)

// maxTreeFiles bounds what the page holds: smaller files are summed up in their
// folder. 50,000 files would be 3 MB of page that nobody can see.
const maxTreeFiles = 10000

// The kinds of a node.
const (
	kindRoot    = "root"
	kindMaster  = "master"
	kindApp     = "application"
	kindRelease = "release"
	kindFolder  = "folder"
	kindFile    = "file"
	kindSmaller = "smaller" // files that are too small for a node of their own
)

// node is one rectangle of the treemap. The names are short because there are
// thousands.
type node struct {
	Name  string  `json:"n"`
	Kind  string  `json:"k"`
	Bytes int64   `json:"b"` // live and dead
	Dead  int64   `json:"d,omitempty"`
	Never int64   `json:"z,omitempty"`
	Hits  int64   `json:"h,omitempty"`
	Files int64   `json:"f"`
	Nodes []*node `json:"c,omitempty"`

	children map[string]*node
}

// tree sums the scripts up by master, application, release, folder and file.
func (r *Report) tree() *node {
	root := &node{Name: "OPcache", Kind: kindRoot}
	least := r.leastTreeBytes()
	// Entries are in the order of the masters.
	several := len(r.entries) > 0 && r.entries[0].master != r.entries[len(r.entries)-1].master
	path := make([]*node, 0, 16)
	for i := range r.entries {
		e := &r.entries[i]
		path = r.above(append(path[:0], root), e, several)
		last := path[len(path)-1]
		if e.script.Memory < least {
			path = append(path, last.child("", kindSmaller))
		} else {
			path = append(path, last.child(base(e.script.Path), kindFile))
		}
		for _, n := range path {
			n.add(e)
		}
	}
	root.finish()
	return root
}

// leastTreeBytes is the size from which a file has a node of its own.
func (r *Report) leastTreeBytes() int64 {
	if len(r.entries) <= maxTreeFiles {
		return 0
	}
	sizes := make([]int64, len(r.entries))
	for i := range r.entries {
		sizes[i] = r.entries[i].script.Memory
	}
	slices.Sort(sizes)
	return sizes[len(sizes)-maxTreeFiles] + 1
}

// above appends the nodes that a script lies in; several masters have one each.
func (r *Report) above(path []*node, e *entry, several bool) []*node {
	into := func(name, kind string) { path = append(path, path[len(path)-1].child(name, kind)) }
	if several {
		into(r.Masters[e.master].Name, kindMaster)
	}
	rest := e.script.Path
	if e.release == nil {
		into("outside any release", kindApp)
	} else {
		into(r.apps[e.release.app].Name, kindApp)
		into(e.release.id, kindRelease)
		rest = strings.TrimPrefix(rest, e.release.folder)
	}
	rest = strings.Trim(rest, "/")
	for {
		name, below, more := strings.Cut(rest, "/")
		if !more {
			return path
		}
		into(name, kindFolder)
		rest = below
	}
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// child finds or makes a node. A file and a folder of one name stay apart.
func (n *node) child(name, kind string) *node {
	key := kind + name
	if found := n.children[key]; found != nil {
		return found
	}
	if n.children == nil {
		n.children = map[string]*node{}
	}
	one := &node{Name: ui.Printable(name), Kind: kind}
	n.children[key] = one
	n.Nodes = append(n.Nodes, one)
	return one
}

func (n *node) add(e *entry) {
	s := e.script
	n.Bytes += s.Memory
	n.Hits += s.Hits
	n.Files++
	switch {
	case !s.Live:
		n.Dead += s.Memory
	case s.Hits == 0:
		n.Never += s.Memory
	}
}

// finish sorts by size, and joins a folder with its only folder.
func (n *node) finish() {
	n.children = nil
	for _, child := range n.Nodes {
		child.finish()
	}
	if n.Kind == kindSmaller {
		n.Name = ui.Plural(n.Files, "smaller file")
	}
	if len(n.Nodes) == 1 && n.Kind == kindFolder && n.Nodes[0].Kind == kindFolder {
		only := n.Nodes[0]
		n.Name, n.Nodes = n.Name+"/"+only.Name, only.Nodes
	}
	slices.SortFunc(n.Nodes, func(x, y *node) int {
		return cmp.Or(cmp.Compare(y.Bytes, x.Bytes), strings.Compare(x.Name, y.Name))
	})
}
