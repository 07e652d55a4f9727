package archive

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"relink/deploy/source"
)

const tarBlock = 512

// mostLeftOut bounds what is read of entries that are none of the release's.
const mostLeftOut = 1 << 30

// readTar visits the entries and then reads on to the end, so that a compressed
// archive's checksum is verified too. What visit leaves out is bounded too: a sparse
// entry of a few bytes reads as a petabyte of zeros.
func readTar(input io.Reader, visit visitor) (comment string, err error) {
	counted := &countingReader{r: input}
	archive := tar.NewReader(counted)
	left := int64(mostLeftOut)
	for entries := int64(1); ; entries++ {
		before := counted.n
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return comment, tarEnd(counted, before)
		}
		if err != nil && !errors.Is(err, tar.ErrInsecurePath) { // the checker says which entry
			return "", damagedArchive(err)
		}
		if err := source.CheckSize(entries, 0); err != nil {
			return "", err
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			comment = header.PAXRecords["comment"]
			continue
		}
		content := contentReader{archive}
		if err := visit(tarEntry(header), content); err != nil {
			return "", err
		}
		// To the end of its content, so that tarEnd can tell the rest apart.
		passed, err := io.Copy(io.Discard, io.LimitReader(content, left+1))
		if left -= passed; err == nil && left < 0 {
			err = source.ErrTooLarge
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

// tarEnd tells the end of an archive from one that was cut off between two
// entries, which archive/tar takes for the end: the last block must be of zeros,
// and must have been read since the content of the last entry and its padding.
func tarEnd(input *countingReader, before int64) error {
	if input.n-before < tarBlock || input.zeros < tarBlock {
		return fmt.Errorf("%w: it ends without an end mark", source.ErrDamaged)
	}
	// Zeros to the end of a tape record, then perhaps a checksum. Bounded: what
	// a bomb has behind its end mark is never needed.
	if _, err := io.CopyN(io.Discard, input, 1<<20); err != nil && !errors.Is(err, io.EOF) {
		return damagedArchive(err)
	}
	return nil
}

func tarEntry(h *tar.Header) entry {
	e := entry{name: h.Name, mode: h.FileInfo().Mode(), modified: h.ModTime, size: h.Size, target: h.Linkname}
	if h.ModTime.Unix() == 0 { // what programs write that know no times
		e.modified = time.Time{}
	}
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		e.mode &= fs.ModePerm
	case tar.TypeLink:
		e.hard, e.size, e.mode = true, 0, e.mode&fs.ModePerm
	case tar.TypeDir:
		e.mode = fs.ModeDir | e.mode&fs.ModePerm
	case tar.TypeSymlink:
		e.mode = fs.ModeSymlink
	default:
		e.mode |= fs.ModeIrregular // devices, fifos, and what nobody knows
	}
	return e
}

// countingReader counts the bytes read, and the zeros among them at the end.
type countingReader struct {
	r        io.Reader
	n, zeros int64
}

func (c *countingReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	zeros := int64(n - len(bytes.TrimRight(p[:n], "\x00")))
	if zeros == int64(n) {
		zeros += c.zeros
	}
	c.zeros = zeros
	return n, err
}
