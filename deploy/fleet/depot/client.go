package depot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"relink/internal/tree"

	"github.com/klauspost/compress/zstd"
)

// What is asked for, and bounds of what one end takes from the other.
const (
	listPath    = "/v1/lists/"
	filesPath   = "/v1/files/"
	baseHeader  = "Relink-Base" // the list that an answer is a delta to
	mostHave    = 8             // lists that are named as bases
	mostAsked   = 1000          // files at once
	askTime     = 10 * time.Second
	stall       = 30 * time.Second // without a byte
	mostWords   = 512              // bytes of a refusal that are shown
	mostRequest = 64 << 10         // bytes
)

// ErrRefused: the other host has answered, and said no.
var ErrRefused = errors.New("refused")

// ErrLying: what has come is not what was asked for.
var ErrLying = errors.New("has sent something else than what has this SHA-256")

// client asks one host.
type client struct {
	depot *Depot
	peer  Peer
	http  *http.Client
	kept  int64 // bytes that have come and stay
}

// newClient asks no proxy: what stands in the environment is not the fleet's.
func newClient(d *Depot, peer Peer, settings *tls.Config) *client {
	own := settings.Clone()
	own.ServerName = peer.Name
	return &client{depot: d, peer: peer, http: &http.Client{
		Transport: &http.Transport{
			TLSClientConfig: own, TLSHandshakeTimeout: askTime, ResponseHeaderTimeout: stall, DisableCompression: true, MaxConnsPerHost: 1,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (c *client) close() { c.http.CloseIdleConnections() }

// ask sends one question, and has the answer read. It is given up where nothing comes for a
// while.
func (c *client) ask(ctx context.Context, method, at string, question []byte, read func(*http.Response, io.Reader) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(stall, func() { cancel(fmt.Errorf("nothing has come for %s", stall)) })
	defer quiet.Stop()
	request, err := http.NewRequestWithContext(ctx, method, "https://"+c.peer.Address+at, bytes.NewReader(question))
	if err != nil {
		return err
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		words, _ := io.ReadAll(io.LimitReader(answer.Body, mostWords))
		return fmt.Errorf("%w: %q", ErrRefused, strings.TrimSpace(string(words)))
	}
	if err := read(answer, alive{answer.Body, quiet}); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return nil
}

// alive notes that something has come.
type alive struct {
	r     io.Reader
	quiet *time.Timer
}

func (a alive) Read(p []byte) (int, error) {
	n, err := a.r.Read(p)
	if n > 0 {
		a.quiet.Reset(stall)
	}
	return n, err
}

// list gets the list of a release, or what it says otherwise than one that is here. It reads
// at most 256 MiB.
func (c *client) list(ctx context.Context, id string) (l List, err error) {
	have := c.depot.ids()
	query := url.Values{"have": have[:min(mostHave, len(have))]}
	err = c.ask(ctx, http.MethodGet, listPath+id+"?"+query.Encode(), nil, func(answer *http.Response, body io.Reader) error {
		unzipped, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow))
		if err != nil {
			return err
		}
		defer unzipped.Close()
		text, err := io.ReadAll(io.LimitReader(unzipped, mostList+1))
		if err != nil {
			return err
		}
		if l, err = c.unfold(text, answer.Header.Get(baseHeader)); err != nil {
			return fmt.Errorf("%w: %w", ErrLying, err)
		}
		text, err = l.format()
		if err != nil || idOf(text) != id {
			return errors.Join(ErrLying, err)
		}
		_, err = c.depot.keep(l)
		return err
	})
	return l, err
}

// mostWindow is the most memory that the text of a list may ask for.
const mostWindow = 8 << 20

func (c *client) unfold(text []byte, of string) (List, error) {
	if of == "" {
		return parse(text)
	}
	base, err := c.depot.read(of)
	if err != nil {
		return List{}, err
	}
	return apply(text, base)
}

// absent are those of the files that the depot does not have, each content once, and first
// one of which there is a part.
func (d *Depot) absent(l List, missing []int) (left []int) {
	seen := map[string]bool{}
	for _, n := range missing {
		e := l.Entries[n]
		if seen[e.Sum] {
			continue
		}
		seen[e.Sum] = true
		left = append(left, n)
		if d.begun(e) > 0 {
			last := len(left) - 1
			left[0], left[last] = left[last], left[0]
		}
	}
	return left
}

// begun is how much of a file has come.
func (d *Depot) begun(e Entry) int64 {
	info, err := os.Lstat(path.Join(d.dir, filesDir, e.hex()+partSuffix))
	if err != nil || info.Size() > e.Size {
		return 0
	}
	return info.Size()
}

// files gets files of a list, by their numbers, and tells which have not come.
func (c *client) files(ctx context.Context, id string, l List, left []int) ([]int, error) {
	root, err := tree.OpenRoot(path.Join(c.depot.dir, filesDir))
	if err != nil {
		return left, err
	}
	defer root.Close()
	for len(left) > 0 {
		batch, offset := left[:min(mostAsked, len(left))], c.depot.begun(l.Entries[left[0]])
		var question bytes.Buffer
		for _, n := range batch {
			fmt.Fprintln(&question, n)
		}
		err := c.ask(ctx, http.MethodPost, filesPath+id+"?offset="+strconv.FormatInt(offset, 10), question.Bytes(), func(_ *http.Response, body io.Reader) error {
			for _, n := range batch {
				e := l.Entries[n]
				if err := c.receive(ctx, root, e, offset, body); err != nil {
					return fmt.Errorf("%s: %w", e.Name, err)
				}
				c.depot.came(id, l.files(), c.peer.Name, e.Size-offset)
				left, offset = left[1:], 0
			}
			if n, _ := io.CopyN(io.Discard, body, 1); n > 0 { // and to the end, so that the connection is used again
				return ErrLying
			}
			return nil
		})
		if err != nil {
			return left, err
		}
	}
	return left, nil
}

// receive writes one file, of which offset bytes are there already. What comes stays where
// the rest does not come; where it is not what was asked for, nothing stays.
func (c *client) receive(ctx context.Context, root *os.Root, e Entry, offset int64, from io.Reader) error {
	name := e.hex() + partSuffix
	part, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if offset == 0 {
		err = part.Truncate(0)
	} else {
		_, err = io.CopyN(sum, part, offset)
	}
	if err == nil {
		var n int64
		n, err = io.CopyN(io.MultiWriter(part, sum), from, e.Size-offset)
		c.kept += n
	}
	if err = errors.Join(err, part.Close()); err != nil {
		return err
	}
	if string(sum.Sum(nil)) != e.Sum {
		c.kept -= e.Size - offset
		return errors.Join(ErrLying, root.Remove(name))
	}
	return root.Rename(name, e.hex())
}
