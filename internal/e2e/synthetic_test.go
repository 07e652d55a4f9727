package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/sandbox/app"
)

const (
	syntheticIncludes  = 10 // files that every page includes
	syntheticFunctions = 20 // in each file, so that it weighs something in OPcache
)

// syntheticApp makes in dir a light application of that many files for loads of
// thousands of requests a second: index.php includes ten of the others, or with
// ?n=N the first N, by require_once if there is ?once, and with ?p=N the N-th too.
// It needs no data of its own.
func syntheticApp(ctx context.Context, dir string, files int) (app.App, error) {
	a := app.App{Repository: filepath.Join(dir, "synthetic.git"), DocRoot: "public", Slow: "/slow.php", Cheap: "/release.php"}
	for page := range 8 {
		a.Paths = append(a.Paths, fmt.Sprintf("/index.php?p=%d", page*(files-1)/8))
	}
	trees, err := os.MkdirTemp(dir, "trees-")
	if err != nil {
		return app.App{}, err
	}
	defer os.RemoveAll(trees)
	for _, tag := range app.Tags {
		if err := writeSynthetic(filepath.Join(trees, tag), tag, files); err != nil {
			return app.App{}, err
		}
	}
	return a, app.Commit(ctx, trees, a.Repository)
}

// releaseMark stands for the tag in the overlay's files.
const releaseMark = "@RELEASE@"

func writeSynthetic(tree, tag string, files int) error {
	contents := map[string]string{"public/index.php": syntheticIndex(tag)}
	for i := range files - 1 {
		contents[fmt.Sprintf("lib/part%d.php", i)] = syntheticPart(tag, i)
	}
	for _, name := range []string{"public/release.php", "public/slow.php", "public/slow-part.php"} {
		data, err := os.ReadFile("../sandbox/app/overlay/v1/" + name)
		if err != nil {
			return err
		}
		contents[name] = strings.ReplaceAll(string(data), releaseMark, tag)
	}
	for name, content := range contents {
		path := filepath.Join(tree, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			return err
		}
	}
	return nil
}

func syntheticIndex(tag string) string {
	return fmt.Sprintf(`<?php
header('%s: %s');
$n = (int) ($_GET['n'] ?? %d);
if (isset($_GET['once'])) for ($i = 0; $i < $n; $i++) $part = require_once __DIR__ . "/../lib/part$i.php";
else for ($i = 0; $i < $n; $i++) $part = require __DIR__ . "/../lib/part$i.php";
if (isset($_GET['p'])) $part = require __DIR__ . '/../lib/part' . (int) $_GET['p'] . '.php';
echo 'release %s part ', $part;
`, app.ReleaseHeader, tag, syntheticIncludes, tag)
}

// syntheticPart declares its functions only once, because index.php may include
// the part both as one of the ten and by ?p=N.
func syntheticPart(tag string, n int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "<?php\nif (!function_exists('part%d_0')) {\n", n)
	for f := range syntheticFunctions {
		fmt.Fprintf(&b, "    function part%d_%d($a, $b) { return ['%s', $a + %d, $b . 'part %d function %d']; }\n", n, f, tag, f, n, f)
	}
	fmt.Fprintf(&b, "}\nreturn '%s';\n", tag)
	return b.String()
}

// Each page tells its release, however it is put together.
func TestSynthetic(t *testing.T) {
	w := newTown(t, synthetic)
	for _, tag := range []string{"v1", "v2"} {
		w.relink("deploy", tag, "--all")
		for _, path := range append(w.app.Paths, w.app.Cheap, w.app.Slow+"?s=0", "/index.php?p=3", "/index.php?p=299") {
			request, err := http.NewRequestWithContext(w.ctx, http.MethodGet, w.server.URL()+path, nil)
			w.must(err)
			request.Host = w.hosts[0]
			response, err := http.DefaultClient.Do(request)
			w.must(err)
			body, err := io.ReadAll(response.Body)
			w.must(errors.Join(err, response.Body.Close()))
			if got := w.app.Release(body, response.Header); response.StatusCode != http.StatusOK || got != tag {
				t.Errorf("%s%s: status %d, release %q:\n%s", tag, path, response.StatusCode, got, body)
			}
		}
	}
	if log, err := os.ReadFile(w.server.PHPLog()); err != nil || len(log) > 0 {
		t.Errorf("PHP has logged %q (%v)", log, err)
	}
}
