package e2e

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"

	"relink/internal/sandbox/app"
)

// syntheticApp makes in dir an application of that many parts, with the tags v1 and v2,
// which have no file in common.
func syntheticApp(ctx context.Context, dir string, files int) (app.App, error) {
	line, err := app.Generated(ctx, dir, files-1)
	if err != nil {
		return app.App{}, err
	}
	return line.App, line.Whole(ctx, app.Tags[1])
}

// Each page tells its release, however it is put together.
func TestSynthetic(t *testing.T) {
	t.Parallel()
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
