package report

import (
	"bytes"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"relink/internal/schematest"
	"relink/internal/ui"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

func TestGolden(t *testing.T) {
	for name, write := range map[string]func(*Report, io.Writer) error{
		"report.txt": func(r *Report, w io.Writer) error { return r.Text(w, TextOptions{}) },
		"terminal.txt": func(r *Report, w io.Writer) error {
			return r.Text(w, TextOptions{Terminal: true, Color: true, Width: 80})
		},
		"report.json": func(r *Report, w io.Writer) error { return ui.JSON(w, r) },
		"report.prom": (*Report).Prometheus,
		"scripts.csv": (*Report).CSV,
		"report.html": (*Report).HTML,
		"folders.txt": writeFolders,
		"empty.txt":   writeEmpty,
		"empty.json":  func(_ *Report, w io.Writer) error { return ui.JSON(w, Build(Sample{Time: noon}, nil, nil, Options{})) },
	} {
		t.Run(name, func(t *testing.T) {
			var got bytes.Buffer
			must(t, write(fixedReport(t), &got))
			if filepath.Ext(name) == ".json" {
				must(t, schematest.Check("opcache-report", got.Bytes()))
			}
			file := filepath.Join("testdata", name)
			if *update {
				must(t, os.MkdirAll("testdata", 0o755))
				must(t, os.WriteFile(file, got.Bytes(), 0o644))
			}
			want, err := os.ReadFile(file)
			must(t, err)
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func writeFolders(_ *Report, w io.Writer) error {
	r := Build(fixedSample(), nil, fixedApps(), Options{Top: 10, TopBy: ByNever, TopFolders: true})
	return r.Text(w, TextOptions{})
}

func writeEmpty(_ *Report, w io.Writer) error {
	return Build(Sample{Time: noon}, nil, []Application{{Name: "booking", Releases: "/srv/releases"}}, Options{Top: 3}).Text(w, TextOptions{})
}

// What the writer underneath refuses must not get lost.
func TestWriteErrors(t *testing.T) {
	r := fixedReport(t)
	for name, write := range map[string]func(io.Writer) error{
		"text": func(w io.Writer) error { return r.Text(w, TextOptions{}) },
		"json": func(w io.Writer) error { return ui.JSON(w, r) }, "csv": r.CSV, "prometheus": r.Prometheus, "html": r.HTML,
	} {
		if err := write(refuse{}); err == nil {
			t.Errorf("%s: a full disk went unnoticed", name)
		}
	}
}

type refuse struct{}

func (refuse) Write([]byte) (int, error) { return 0, os.ErrClosed }
