package archive

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"relink/deploy/source"
	"relink/internal/hint"
)

// mostTarget bounds the target of a link, which in a zip archive is content.
const mostTarget = 4096

func readZip(ctx context.Context, file io.ReaderAt, size int64, visit visitor) (string, error) {
	archive, err := zip.NewReader(file, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) { // the checker says which entry
		return "", damagedArchive(err)
	}
	for _, f := range archive.File {
		if err := readZipEntry(ctx, f, visit); err != nil {
			return "", err
		}
	}
	return archive.Comment, nil
}

func readZipEntry(ctx context.Context, f *zip.File, visit visitor) error {
	if f.UncompressedSize64 > 1<<62 {
		return fmt.Errorf("%s: %w", f.Name, source.ErrDamaged)
	}
	if f.Flags&1 != 0 {
		return hint.With(fmt.Errorf("%s: %w: it is encrypted", f.Name, source.ErrFormat), "make the archive without a password")
	}
	e := entry{name: f.Name, mode: f.Mode(), modified: f.Modified, size: int64(f.UncompressedSize64)}
	if e.modified.Year() < 1980 { // the format's first year: no time is given
		e.modified = time.Time{}
	}
	if e.mode.IsDir() {
		return visit(e, nil)
	}
	if !e.mode.IsRegular() && e.mode.Type() != fs.ModeSymlink {
		return visit(e, nil) // refused without being opened
	}
	content, err := f.Open()
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, damagedArchive(err))
	}
	defer content.Close()
	reader := contentReader{&contextReader{ctx: ctx, r: content}}
	if e.mode.Type() != fs.ModeSymlink {
		return visit(e, reader)
	}
	target, err := io.ReadAll(io.LimitReader(reader, mostTarget))
	if err != nil {
		return fmt.Errorf("%s: %w", f.Name, err)
	}
	e.target, e.size = string(target), 0
	return visit(e, nil)
}
