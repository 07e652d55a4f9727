package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"time"

	"relink/internal/hint"
	"relink/internal/state"

	"github.com/gofrs/flock"
	"golang.org/x/sys/unix"
)

// ErrHistory means that the history cannot be kept.
var ErrHistory = errors.New("history")

// storeFiles is into how many files a history is divided: the oldest of them goes when
// there is no room for the next point.
const storeFiles = 8

// store keeps points as JSON lines in the numbered files of a folder, which together
// stay below a bound. Whatever a crash, a full disk or a bad sector makes of a line costs
// that line: nothing in a file leads to another place of it.
type store struct {
	dir  string
	most int64 // bytes
	lock *flock.Flock
	mu   sync.RWMutex
}

// openStore takes the folder for this process alone.
func openStore(dir string, most int64) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHistory, err)
	}
	lock := flock.New(filepath.Join(dir, "lock"), flock.SetFlag(os.O_CREATE|os.O_RDONLY|unix.O_NOFOLLOW), flock.SetPermissions(0o640))
	if held, err := lock.TryLock(); err != nil {
		return nil, fmt.Errorf("%w: lock %s: %w", ErrHistory, dir, err)
	} else if !held {
		return nil, hint.With(fmt.Errorf("%w: %s is in use", ErrHistory, dir), "another relink serve is running with this state_dir; stop it first")
	}
	return &store{dir: dir, most: most, lock: lock}, nil
}

func (s *store) close() error { return s.lock.Close() }

const fileName = "%08d.jsonl"

var fileForm = regexp.MustCompile(`^[0-9]{8}\.jsonl$`)

// files are those of the points, the oldest first.
func (s *store) files() (list []fs.FileInfo, sum int64, err error) {
	entries, err := os.ReadDir(s.dir) // sorted
	for _, entry := range entries {
		if info, err := entry.Info(); err == nil && info.Mode().IsRegular() && fileForm.MatchString(info.Name()) {
			list, sum = append(list, info), sum+info.Size()
		}
	}
	return list, sum, err
}

// size is that of the files.
func (s *store) size() int64 {
	_, sum, _ := s.files() // what cannot be read is no history
	return sum
}

func (s *store) put(p Point) error {
	line, err := json.Marshal(p)
	if err == nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		// It begins with a newline, too: behind a line that was cut short.
		err = s.append(slices.Concat([]byte("\n"), line, []byte("\n")))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHistory, err)
	}
	return nil
}

// append removes the oldest files where there is no room, but never the one that is
// written to.
func (s *store) append(line []byte) error {
	files, sum, err := s.files()
	if err != nil {
		return err
	}
	number, more := 1, int64(len(line))
	if n := len(files); n > 0 {
		number, _ = strconv.Atoi(files[n-1].Name()[:8]) // its form says so
		if files[n-1].Size()+more >= s.most/storeFiles {
			number++
		}
	}
	newest := fmt.Sprintf(fileName, number)
	for ; len(files) > 0 && sum+more > s.most && files[0].Name() != newest; files = files[1:] {
		if err := os.Remove(filepath.Join(s.dir, files[0].Name())); err != nil {
			return err
		}
		sum -= files[0].Size()
	}
	return state.Append(filepath.Join(s.dir, newest), line)
}

// between reads points, joined so that each stands for one step. It reads at most s.most
// bytes of each file.
func (s *store) between(since, until time.Time, step time.Duration) []Point {
	s.mu.RLock()
	defer s.mu.RUnlock()
	points := []Point{}
	files, _, _ := s.files()
	for _, one := range files {
		s.eachLine(one.Name(), func(line []byte) {
			at, ok := timeOf(line)
			if !ok || at.Before(since) || at.After(until) {
				return
			}
			var p Point
			if json.Unmarshal(line, &p) != nil {
				return // damaged, or of another version
			}
			if points = append(points, p); len(points) > keptPoints {
				points = thin(points, step)
			}
		})
	}
	// A clock that was set back leaves them out of order.
	slices.SortStableFunc(points, func(a, b Point) int { return a.Time.Compare(b.Time) })
	return thin(points, step)
}

func (s *store) eachLine(name string, do func(line []byte)) {
	file, err := os.Open(filepath.Join(s.dir, name))
	if err != nil {
		return
	}
	defer file.Close()
	for lines := bufio.NewReader(io.LimitReader(file, s.most)); ; {
		line, err := lines.ReadBytes('\n')
		do(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			return
		}
	}
}

// timeOf reads a point's time, which its line begins with, without the rest.
func timeOf(line []byte) (time.Time, bool) {
	text, ok := bytes.CutPrefix(line, []byte(`{"time":"`))
	text, _, whole := bytes.Cut(text, []byte(`"`))
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return at, ok && whole && err == nil
}
