package depot

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path"
	"strconv"
	"sync"
	"time"

	"relink/internal/socket"
	"relink/internal/tree"

	"github.com/klauspost/compress/zstd"
	"github.com/rs/zerolog"
)

// Bounds of what others can make the server spend.
const (
	mostConnections = 1024
	mostOfOne       = 8  // connections of one address
	mostFetch       = 64 // at once; others wait until one has ended
)

// Serve hands out what the depot has to hosts that have a certificate of the fleet's
// authority, until ctx ends, which is no error. Of a request it reads at most 64 KiB.
func (d *Depot) Serve(ctx context.Context, l net.Listener, to zerolog.Logger) error {
	s := &server{Depot: d, log: to, turns: make(chan struct{}, mostFetch)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+listPath+"{id}", s.inTurn(s.list))
	mux.HandleFunc("POST "+filesPath+"{id}", s.inTurn(s.files))
	web := &http.Server{
		Handler: mux, TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return serving(d.own) }},
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2: one connection, one request at a time
		ReadHeaderTimeout: askTime, ReadTimeout: askTime, WriteTimeout: stall, IdleTimeout: askTime, MaxHeaderBytes: 16 << 10,
	}
	if err := socket.ServeTLS(ctx, socket.Limit(l, mostConnections, mostOfOne), web, to); err != nil {
		return fmt.Errorf("fleet.serve: %w", err)
	}
	return nil
}

type server struct {
	*Depot
	log   zerolog.Logger
	turns chan struct{}

	mu   sync.Mutex
	last string // the list that was read last
	read List
}

// inTurn has few be answered at once. Whoever only keeps a connection is not among them.
func (s *server) inTurn(answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case s.turns <- struct{}{}:
		case <-r.Context().Done():
			return
		}
		defer func() { <-s.turns }()
		if http.NewResponseController(w).SetWriteDeadline(time.Now().Add(stall)) == nil { // the wait does not count
			answer(w, r)
		}
	}
}

// lookUp gives a list, which several hosts ask for at a time.
func (s *server) lookUp(id string) (List, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last == id {
		return s.read, nil
	}
	l, err := s.Depot.read(id)
	if err == nil {
		s.last, s.read = id, l
	}
	return l, err
}

// list answers with a list, or with what it says otherwise than one that the other host has.
func (s *server) list(w http.ResponseWriter, r *http.Request) {
	l, err := s.lookUp(r.PathValue("id"))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	text, base, err := s.shortest(l, r.URL.Query()["have"])
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	w.Header().Set(baseHeader, base)
	zipped, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(mostWindow))
	if err == nil {
		_, err = zipped.Write(text)
		err = errors.Join(err, zipped.Close())
	}
	if err != nil {
		s.log.Debug().Err(err).Msg("a list was not handed out whole")
	}
}

// shortest is a list as a delta to one that is here and that the other host has, or whole.
func (s *server) shortest(l List, have []string) (text []byte, of string, err error) {
	for _, id := range have[:min(mostHave, len(have))] {
		if base, err := s.Depot.read(id); err == nil {
			text, err = l.delta(base)
			return text, id, err
		}
	}
	text, err = l.format()
	return text, "", err
}

// refuse tells no more than that it cannot be had; the log says why.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	s.log.Info().Err(err).Str("to", r.TLS.PeerCertificates[0].Subject.CommonName).Msg("not handed out")
	http.Error(w, "it cannot be had here", http.StatusNotFound)
}

// files answers with the contents of the files of a list whose numbers are asked for, one
// after the other; of the first from an offset on. It ends early where one cannot be had.
func (s *server) files(w http.ResponseWriter, r *http.Request) {
	l, err := s.lookUp(r.PathValue("id"))
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	numbers, err := asked(l, http.MaxBytesReader(w, r.Body, mostRequest))
	offset, failed := strconv.ParseInt(r.URL.Query().Get("offset"), 10, 64)
	if err != nil || failed != nil || offset < 0 || offset > l.Entries[numbers[0]].Size {
		http.Error(w, "this is no request for files", http.StatusBadRequest)
		return
	}
	p, err := s.place(l, nil, nil, nil)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	defer p.close()
	control := http.NewResponseController(w)
	for i, n := range numbers {
		e := l.Entries[n]
		file, err := open(r.Context(), p.depot, p.near, e)
		if err != nil && i == 0 {
			s.refuse(w, r, err)
			return
		}
		if err == nil {
			err = send(w, control, file, offset, e.Size)
		}
		if err != nil {
			s.log.Debug().Err(err).Str("file", e.Name).Msg("not handed out")
			panic(http.ErrAbortHandler) // what was sent stays with whoever asked
		}
		offset = 0
	}
}

var errNumbers = errors.New("not the numbers of files")

// asked reads which files are asked for.
func asked(l List, body io.Reader) (numbers []int, err error) {
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil || n < 0 || n >= len(l.Entries) || !l.Entries[n].Mode.IsRegular() || len(numbers) == mostAsked {
			return nil, errNumbers
		}
		numbers = append(numbers, n)
	}
	if len(numbers) == 0 {
		return nil, errNumbers
	}
	return numbers, lines.Err()
}

// open finds a file in the depot, or in a release that has it under the same name.
func open(ctx context.Context, depot *os.Root, near []*os.Root, e Entry) (*os.File, error) {
	file, err := verified(ctx, depot, path.Join(filesDir, e.hex()), e)
	for _, root := range near {
		if err == nil || ctx.Err() != nil {
			break
		}
		file, err = verified(ctx, root, e.Name, e)
	}
	return file, err
}

// verified opens a file that holds what the list says.
func verified(ctx context.Context, root *os.Root, at string, e Entry) (*os.File, error) {
	info, err := root.Lstat(at)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() != e.Size {
		return nil, &fs.PathError{Op: "read", Path: at, Err: fs.ErrNotExist}
	}
	sum := sha256.New()
	file, err := tree.OpenAndRead(ctx, root, at, info, sum)
	if err != nil {
		return nil, err
	}
	if string(sum.Sum(nil)) != e.Sum {
		return nil, errors.Join(&fs.PathError{Op: "read", Path: at, Err: fs.ErrNotExist}, file.Close())
	}
	return file, nil
}

// chunk is what may be on its way while nothing is heard of the other end.
const chunk = 256 << 10

// send sends what is left of a file from an offset on, and closes it.
func send(w io.Writer, control *http.ResponseController, file *os.File, offset, size int64) error {
	defer file.Close()
	if _, err := file.Seek(offset, io.SeekStart); err != nil {
		return err
	}
	for offset < size {
		if err := control.SetWriteDeadline(time.Now().Add(stall)); err != nil {
			return err
		}
		n, err := io.CopyN(w, file, min(chunk, size-offset))
		if err != nil {
			return err
		}
		offset += n
	}
	return nil
}
