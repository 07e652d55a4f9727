package app

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

const (
	generatedIncludes  = 10 // files that every page includes
	generatedFunctions = 20 // in each file, so that it weighs something in OPcache
	generatedPages     = 8
	generatedFew       = 3 // parts that a release has otherwise than the one before
)

// Generated makes in dir a light application of that many files for loads of
// thousands of requests a second: index.php includes ten of the others, or with
// ?n=N the first N, by require_once if there is ?once, and with ?p=N the N-th too.
// It needs no data of its own. Each part knows the release that it is of, and
// index.php of which each has to be.
func Generated(ctx context.Context, dir string, parts int) (*Line, error) {
	g := &generated{parts: parts, of: map[int]string{}}
	a := App{Repository: filepath.Join(dir, "generated.git"), DocRoot: "public", Slow: "/slow.php", Cheap: "/release.php"}
	for page := range generatedPages {
		a.Paths = append(a.Paths, fmt.Sprintf("/index.php?p=%d", page*parts/generatedPages))
	}
	return newLine(ctx, &Line{App: a, Files: parts + len(marked), few: g.few, all: g.all})
}

// marked are the pages that say their release. Those but the first are the overlay's.
var marked = []string{"public/index.php", "public/release.php", "public/slow.php", "public/slow-part.php"}

// releaseMark stands for the tag in the overlay's files.
const releaseMark = "@RELEASE@"

type generated struct {
	parts int
	of    map[int]string // the releases of the parts that changed since the last whole one
	base  string         // that of the others
}

func (g *generated) all(tag string, _ int) files {
	g.base = tag
	clear(g.of)
	return func(put func(string, []byte)) error {
		for n := range g.parts {
			g.put(n, put)
		}
		return g.pages(tag, put)
	}
}

// few changes other parts each time; of the pages that say their release all change.
func (g *generated) few(tag string, number int) files {
	var changed []int
	for i := range generatedFew {
		changed = append(changed, (number*generatedFew+i)%g.parts)
	}
	for _, n := range changed {
		g.of[n] = tag
	}
	return func(put func(string, []byte)) error {
		for _, n := range changed {
			g.put(n, put)
		}
		return g.pages(tag, put)
	}
}

func (g *generated) release(n int) string {
	if tag, changed := g.of[n]; changed {
		return tag
	}
	return g.base
}

// put declares the part's functions only once, because index.php may include it both as
// one of the ten and by ?p=N.
func (g *generated) put(n int, to func(string, []byte)) {
	var b strings.Builder
	fmt.Fprintf(&b, "<?php\nif (!function_exists('part%d_0')) {\n", n)
	for f := range generatedFunctions {
		fmt.Fprintf(&b, "    function part%d_%d($a, $b) { return ['%s', $a + %d, $b . 'part %d function %d']; }\n", n, f, g.release(n), f, n, f)
	}
	fmt.Fprintf(&b, "}\nreturn '%s';\n", g.release(n))
	to(fmt.Sprintf("lib/part%d.php", n), []byte(b.String()))
}

func (g *generated) pages(tag string, put func(string, []byte)) error {
	put(marked[0], []byte(g.index(tag)))
	for _, name := range marked[1:] {
		data, err := overlay.ReadFile("overlay/v1/" + name)
		if err != nil {
			return err
		}
		put(name, []byte(strings.ReplaceAll(string(data), releaseMark, tag)))
	}
	return nil
}

// index says for each part the release, as if it were its own, if it is the one that
// belongs to this release, and the part's own if not.
func (g *generated) index(tag string) string {
	var of strings.Builder
	for n := range g.parts {
		if other, changed := g.of[n]; changed {
			fmt.Fprintf(&of, "%d => '%s', ", n, other)
		}
	}
	return fmt.Sprintf(`<?php
header('%s: %s');
const OF = [%s];
$n = (int) ($_GET['n'] ?? %d);
$p = $n - 1;
if (isset($_GET['once'])) for ($i = 0; $i < $n; $i++) $part = require_once __DIR__ . "/../lib/part$i.php";
else for ($i = 0; $i < $n; $i++) $part = require __DIR__ . "/../lib/part$i.php";
if (isset($_GET['p'])) $part = require __DIR__ . '/../lib/part' . ($p = (int) $_GET['p']) . '.php';
echo 'release %s part ', $part === (OF[$p] ?? '%s') ? '%s' : $part . 'x';
`, ReleaseHeader, tag, strings.TrimSuffix(of.String(), ", "), generatedIncludes, tag, g.base, tag)
}
