// Package envelope reads what relink's PHP scripts answer. A script wraps its
// answer as
//
//	MARK<nonce>:<length>:<crc32b>\n<payload>
//
// so that it is found inside what an auto_prepend_file prints and what FPM mixes
// in from stderr, and so that a cut or altered answer never passes for a whole one. What is
// read is in memory already: whoever brought it there has set the bound.
package envelope

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"regexp"
	"strconv"
)

// Mark begins the answers of one script.
type Mark string

// The marks: of the agent, and of the probe.
const (
	Agent Mark = "RELINK1:"
	Probe Mark = "RELINKP1:"
)

// NewNonce makes what tells the answer to one request from those to others.
func NewNonce() string {
	var random [16]byte
	rand.Read(random[:]) // never fails since Go 1.24
	return hex.EncodeToString(random[:])
}

// Why there is no answer.
var (
	ErrCorrupt   = errors.New("no intact answer of relink's script")
	ErrTruncated = errors.New("the answer of relink's script is truncated")
)

// Open finds the answer to the request with this nonce in noise and returns its
// payload. Answers to other nonces are noise.
func (m Mark) Open(noise []byte, nonce string) ([]byte, error) {
	lead := []byte(string(m) + nonce + ":")
	var failure error
	for rest := noise; ; {
		at := bytes.Index(rest, lead)
		switch {
		case at < 0 && failure == nil:
			return nil, missing(noise, lead, len(m))
		case at < 0:
			return nil, failure
		}
		rest = rest[at+len(lead):]
		payload, err := unwrap(rest)
		if err == nil {
			return payload, nil
		}
		failure = err
	}
}

// missing tells an answer that never began from one whose first bytes are the
// last that arrived.
func missing(noise, lead []byte, mark int) error {
	for n := len(lead); n >= mark; n-- {
		if bytes.HasSuffix(noise, lead[:n]) {
			return fmt.Errorf("%w: it ends in the mark", ErrTruncated)
		}
	}
	return fmt.Errorf("%w: what answered wrote %s", ErrCorrupt, Excerpt(noise))
}

func unwrap(rest []byte) ([]byte, error) {
	// 20 digits of length, a colon, 8 of checksum, and the line's end.
	const longest = 30
	end := bytes.IndexByte(rest[:min(len(rest), longest)], '\n')
	if end < 0 && len(rest) < longest {
		return nil, fmt.Errorf("%w: it ends in the mark", ErrTruncated)
	}
	size, sum, ok := header(rest[:max(end, 0)])
	if !ok {
		return nil, fmt.Errorf("%w: its mark reads %s", ErrCorrupt, Excerpt(rest))
	}
	payload := rest[end+1:]
	if uint64(len(payload)) < size {
		return nil, fmt.Errorf("%w: %d of %d bytes", ErrTruncated, len(payload), size)
	}
	payload = payload[:size]
	if got := crc32.ChecksumIEEE(payload); got != sum {
		return nil, fmt.Errorf("%w: checksum %08x, announced %08x", ErrCorrupt, got, sum)
	}
	return payload, nil
}

func header(line []byte) (size uint64, sum uint32, ok bool) {
	length, digits, found := bytes.Cut(line, []byte(":"))
	size, err := strconv.ParseUint(string(length), 10, 63)
	sum64, errSum := strconv.ParseUint(string(digits), 16, 32)
	return size, uint32(sum64), found && len(digits) == 8 && err == nil && errSum == nil
}

// title is that of a page, whose markup tells less.
var title = regexp.MustCompile(`(?is)^\s*<(?:!doctype|html)\b.*?<title[^>]*>\s*([^<]{1,150}?)\s*</title>`)

// Excerpt is short enough for an error message and long enough to recognise a
// PHP error in it. Of a page with a title it is that.
func Excerpt(b []byte) string {
	const most = 200
	b = bytes.TrimSpace(b)
	switch named := title.FindSubmatch(b[:min(len(b), 2000)]); {
	case named != nil:
		return "a page with the title " + strconv.Quote(string(named[1]))
	case len(b) == 0:
		return "nothing"
	case len(b) > most:
		return strconv.Quote(string(b[:most])) + "..."
	}
	return strconv.Quote(string(b))
}
