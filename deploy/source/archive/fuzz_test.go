package archive

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"relink/internal/damagetest"
)

// FuzzArchive unpacks anything: nothing may appear outside the folder, and no more may
// be written than the limit allows. Where links lead is looked at afterwards, of every
// source alike.
func FuzzArchive(f *testing.F) {
	console := file("app/bin", "#!")
	console.mode = 0o6777
	for _, items := range [][]item{
		{dir("app/"), file("app/a", "1"), link("app/l", "a"), console},
		{file("../x", "evil")}, {file("/tmp/x", "evil")}, {link("l", ".."), file("l/x", "evil")},
		{file("a", "1"), link("x/y", ".."), link("out", "x/y/../z")},
		{file("a", "1"), {name: "f", kind: '6'}},
	} {
		for _, make := range formats {
			f.Add(make(f, items))
		}
	}
	f.Add(makeTar(f, []item{file("a", "1"), hard("h", "../x")}))
	for _, make := range formats {
		if whole := make(f, []item{file("a", "1")}); len(whole) < 512 { // a bare tar is of kilobytes of zeros
			for text := range damagetest.Of(whole) {
				f.Add(text)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		outer := t.TempDir()
		into := filepath.Join(outer, "into")
		if err := os.Mkdir(into, 0o755); err != nil {
			t.Fatal(err)
		}
		root, err := os.OpenRoot(into)
		if err != nil {
			t.Fatal(err)
		}
		defer root.Close()
		u := newUnpacker(root, "", limit)
		if _, err = readArchiveFrom(context.Background(), io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))), u.visit); err == nil {
			err = u.complete(context.Background())
		}
		if left, _ := os.ReadDir(outer); len(left) != 1 {
			t.Fatalf("written outside: %v", left)
		}
		if err == nil {
			wantTame(t, into, limit)
		}
	})
}

func wantTame(t *testing.T, into string, limit int64) {
	var total int64
	err := filepath.WalkDir(into, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		if info.Mode()&(fs.ModeSetuid|fs.ModeSetgid|0o022) != 0 && info.Mode().Type() != fs.ModeSymlink {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		switch info.Mode().Type() {
		case 0:
			total += info.Size()
		case fs.ModeDir, fs.ModeSymlink:
		default:
			t.Errorf("%s is a %v", path, info.Mode())
		}
		return nil
	})
	if err != nil || total > limit {
		t.Errorf("%d bytes unpacked, %v", total, err)
	}
}
