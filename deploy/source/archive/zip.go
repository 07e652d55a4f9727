package archive

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"time"

	"relink/deploy/source"
	"relink/internal/hint"
)

// mostTarget bounds the target of a link, which in a zip archive is content.
const mostTarget = 4096

// mostDirectory bounds the list of files at the archive's end, which archive/zip holds
// in memory as a whole, in several times its size.
const mostDirectory = 128 << 20

// directory bounds what is read of a zip file before its entries are counted.
type directory struct {
	io.ReaderAt
	left int64
}

func (d *directory) ReadAt(p []byte, at int64) (int, error) {
	if d.left -= int64(len(p)); d.left < 0 {
		return 0, source.ErrTooLarge
	}
	return d.ReaderAt.ReadAt(p, at)
}

func readZip(ctx context.Context, file *io.SectionReader, visit visitor) (string, error) {
	bounded := &directory{file, mostDirectory}
	archive, err := zip.NewReader(bounded, file.Size())
	if bounded.left < 0 {
		return "", fmt.Errorf("%w: its list of files takes more than %d bytes", source.ErrTooLarge, mostDirectory)
	}
	bounded.left = math.MaxInt64
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
	if !e.mode.IsRegular() && e.mode.Type() != fs.ModeSymlink {
		return visit(e, nil) // a folder, or refused without being opened
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
