package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"relink/internal/durable"
	"relink/internal/hint"

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

	mu     sync.RWMutex
	newest int   // number of the file that is written to; 0: none yet
	bytes  int64 // its size
	torn   bool  // its last line has no end
}

// openStore takes the folder for this process alone.
func openStore(dir string, most int64) (*store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHistory, err)
	}
	s := &store{dir: dir, most: most}
	s.lock = flock.New(filepath.Join(dir, "lock"), flock.SetFlag(os.O_CREATE|os.O_RDONLY|unix.O_NOFOLLOW), flock.SetPermissions(0o640))
	if held, err := s.lock.TryLock(); err != nil {
		return nil, fmt.Errorf("%w: lock %s: %w", ErrHistory, dir, err)
	} else if !held {
		return nil, hint.With(fmt.Errorf("%w: %s is in use", ErrHistory, dir), "another relink serve is running with this state_dir; stop it first")
	}
	if err := s.findEnd(); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %w", ErrHistory, err), s.lock.Close())
	}
	return s, nil
}

// findEnd is where the next point goes.
func (s *store) findEnd() error {
	numbers, err := s.numbers()
	if err != nil || len(numbers) == 0 {
		return err
	}
	s.newest = numbers[len(numbers)-1]
	file, err := os.Open(s.path(s.newest))
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	last := make([]byte, 1)
	_, err = file.ReadAt(last, info.Size()-1)
	s.bytes, s.torn = info.Size(), last[0] != '\n'
	return err
}

func (s *store) path(number int) string {
	return filepath.Join(s.dir, fmt.Sprintf("%08d.jsonl", number))
}

// numbers are those of the files, the oldest first.
func (s *store) numbers() ([]int, error) {
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, entry := range entries {
		name, is := strings.CutSuffix(entry.Name(), ".jsonl")
		if n, err := strconv.Atoi(name); is && err == nil && n > 0 && entry.Type().IsRegular() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (s *store) close() error { return s.lock.Close() }

func (s *store) put(p Point) error {
	line, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHistory, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.append(append(line, '\n')); err != nil {
		return fmt.Errorf("%w: %w", ErrHistory, err)
	}
	return nil
}

func (s *store) append(line []byte) error {
	if s.newest == 0 || s.bytes+int64(len(line)) >= s.most/storeFiles {
		s.newest, s.bytes, s.torn = s.newest+1, 0, false
	}
	if s.torn {
		line = append([]byte("\n"), line...)
	}
	if err := s.makeRoom(int64(len(line))); err != nil {
		return err
	}
	file, err := os.OpenFile(s.path(s.newest), os.O_CREATE|os.O_WRONLY|os.O_APPEND|unix.O_NOFOLLOW, 0o640)
	if err != nil {
		return err
	}
	n, err := file.Write(line)
	created := s.bytes == 0
	s.bytes, s.torn = s.bytes+int64(n), n < len(line)
	if err = errors.Join(err, file.Sync(), file.Close()); err == nil && created {
		err = durable.SyncDir(s.dir)
	}
	return err
}

// makeRoom removes the oldest files, but never the one that is written to.
func (s *store) makeRoom(more int64) error {
	numbers, err := s.numbers()
	if err != nil {
		return err
	}
	for _, oldest := range numbers {
		if s.size()+more <= s.most || oldest == s.newest {
			return nil
		}
		if err := os.Remove(s.path(oldest)); err != nil {
			return err
		}
	}
	return nil
}

// between reads points, joined so that each stands for one step.
func (s *store) between(since, until time.Time, step time.Duration) []Point {
	s.mu.RLock()
	defer s.mu.RUnlock()
	points := []Point{}
	numbers, _ := s.numbers() // what cannot be read is no history
	for _, number := range numbers {
		s.eachLine(number, func(line []byte) {
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

func (s *store) eachLine(number int, do func(line []byte)) {
	file, err := os.Open(s.path(number))
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

// size is that of the files.
func (s *store) size() int64 {
	var sum int64
	numbers, _ := s.numbers()
	for _, number := range numbers {
		if info, err := os.Stat(s.path(number)); err == nil {
			sum += info.Size()
		}
	}
	return sum
}
