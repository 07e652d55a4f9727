package archive

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/deploy/source/sourcetest"

	"github.com/klauspost/compress/zstd"
)

// item is an entry to be written to an archive of any format.
type item struct {
	name, content string
	kind          byte // a tar type flag
	target        string
	mode          int64
}

func file(name, content string) item {
	return item{name: name, content: content, kind: tar.TypeReg, mode: 0o644}
}
func link(name, target string) item {
	return item{name: name, target: target, kind: tar.TypeSymlink, mode: 0o777}
}
func hard(name, target string) item {
	return item{name: name, target: target, kind: tar.TypeLink, mode: 0o644}
}
func dir(name string) item { return item{name: name, kind: tar.TypeDir, mode: 0o755} }

var written = time.Date(2025, 6, 7, 8, 9, 10, 0, time.UTC)

func makeTar(t testing.TB, items []item) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, i := range items {
		h := &tar.Header{Name: i.name, Typeflag: i.kind, Linkname: i.target, Mode: i.mode, Size: int64(len(i.content)), ModTime: written}
		if i.kind == tar.TypeXGlobalHeader {
			h = &tar.Header{Typeflag: i.kind, PAXRecords: map[string]string{"comment": i.content}}
			i.content = ""
		}
		if err := errors.Join(w.WriteHeader(h), writeAll(w, i.content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func makeZip(t testing.TB, items []item) []byte {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, i := range items {
		h := &zip.FileHeader{Name: i.name, Method: zip.Deflate, Modified: written}
		mode := fs.FileMode(i.mode)
		switch i.kind {
		case tar.TypeDir:
			mode |= fs.ModeDir
			h.Name = strings.TrimSuffix(h.Name, "/") + "/"
		case tar.TypeSymlink:
			mode |= fs.ModeSymlink
			i.content = i.target
		case tar.TypeFifo:
			mode |= fs.ModeNamedPipe
		}
		h.SetMode(mode)
		f, err := w.CreateHeader(h)
		if err == nil {
			err = writeAll(f, i.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func writeAll(w io.Writer, content string) error {
	if content == "" {
		return nil
	}
	_, err := io.WriteString(w, content)
	return err
}

func gzipped(t testing.TB, data []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zstdized(t testing.TB, data []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(data, nil)
}

// formats make the same archive in each format.
var formats = map[string]func(t testing.TB, items []item) []byte{
	"tar":     makeTar,
	"tar.gz":  func(t testing.TB, items []item) []byte { return gzipped(t, makeTar(t, items)) },
	"tar.zst": func(t testing.TB, items []item) []byte { return zstdized(t, makeTar(t, items)) },
	"zip":     makeZip,
}

// saved puts the archive in a file whose name says nothing of its format.
func saved(t *testing.T, data []byte) *Source {
	t.Helper()
	dir := t.TempDir()
	sourcetest.WriteFile(t, filepath.Join(dir, "app-v1.archive"), string(data))
	return New(filepath.Join(dir, "app-{ref}.archive"))
}
