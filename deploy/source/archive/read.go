package archive

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"time"

	"relink/deploy/source"
	"relink/internal/bounded"
	"relink/internal/hint"
	"relink/internal/pace"

	"github.com/klauspost/compress/zstd"
)

// entry is what tar and zip have in common.
type entry struct {
	name     string // as the archive spells it
	mode     fs.FileMode
	modified time.Time // zero when the archive does not say
	size     int64     // as the archive claims
	target   string    // of a link
	hard     bool      // a hard link: target is another entry's name
}

// visitor is called for each entry, in order. content is that of a file and is
// read at most once.
type visitor func(e entry, content io.Reader) error

// mostWindow is the most memory that a zstd archive may ask for; 128 MiB is what
// "zstd --long" uses.
const mostWindow = 128 << 20

// readArchive visits all entries of the file and gives the archive's comment.
func readArchive(ctx context.Context, name string, visit visitor) (comment string, err error) {
	file, err := bounded.Open(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	return readArchiveFrom(ctx, io.NewSectionReader(file, 0, info.Size()), visit)
}

func readArchiveFrom(ctx context.Context, file *io.SectionReader, visit visitor) (string, error) {
	head := make([]byte, 512)
	n, err := file.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	visit = withoutMacOS(visit)
	input := &contextReader{ctx: ctx, r: bufio.NewReaderSize(file, 128<<10)}
	switch head = head[:n]; {
	case bytes.HasPrefix(head, []byte("PK\x03\x04")), bytes.HasPrefix(head, []byte("PK\x05\x06")):
		return readZip(ctx, file, visit)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		unzipped, err := gzip.NewReader(input)
		if err != nil {
			return "", damagedArchive(err)
		}
		return readTar(unzipped, visit)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		return readZstd(input, visit)
	case isTar(head):
		return readTar(input, visit)
	case n == 0:
		return "", fmt.Errorf("%w: the file is empty", source.ErrDamaged)
	}
	return "", hint.With(source.ErrFormat, "make it a tar, tar.gz, tar.zst or zip file")
}

// withoutMacOS leaves out what macOS adds to archives: resource forks and extended
// attributes, of which each file has a companion.
func withoutMacOS(visit visitor) visitor {
	return func(e entry, content io.Reader) error {
		if strings.HasPrefix(path.Base(e.name), "._") || path.Base(e.name) == macOS || strings.HasPrefix(e.name, macOS+"/") {
			return nil
		}
		return visit(e, content)
	}
}

// macOS is the folder for them in zip archives.
const macOS = "__MACOSX"

// isTar also takes a tar from before POSIX, which has no mark: one whose first
// header reads well, or an empty one.
func isTar(head []byte) bool {
	_, err := tar.NewReader(bytes.NewReader(head)).Next()
	return len(head) == 512 && (err == nil || errors.Is(err, io.EOF) || bytes.HasPrefix(head[257:], []byte("ustar")))
}

func readZstd(input io.Reader, visit visitor) (string, error) {
	// One at a time: the site needs the other processors.
	unzipped, err := zstd.NewReader(input, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow))
	if err != nil {
		return "", damagedArchive(err)
	}
	defer unzipped.Close()
	return readTar(unzipped, visit)
}

// damagedArchive keeps apart what is wrong with the archive and with the reading.
func damagedArchive(err error) error {
	if failed := (*fs.PathError)(nil); errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &failed) {
		return err
	}
	return fmt.Errorf("%w: %w", source.ErrDamaged, err)
}

type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (r *contextReader) Read(p []byte) (int, error) {
	if err := pace.Rest(r.ctx); err != nil {
		return 0, err
	}
	return r.r.Read(p)
}

// contentReader marks what goes wrong in the archive, so that it is not taken for
// what goes wrong with the file being written.
type contentReader struct{ r io.Reader }

func (c contentReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = damagedArchive(err)
	}
	return n, err
}
