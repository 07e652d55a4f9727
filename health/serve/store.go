package serve

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"relink/internal/durable"
	"relink/internal/hint"

	"github.com/rs/zerolog"
	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

var minutes = []byte("minutes") // key: Unix milliseconds, big endian; value: a Point as JSON

// ErrHistory means that the history cannot be kept.
var ErrHistory = errors.New("history")

const (
	lockWait = time.Second
	// growth is how much the file takes at once. bbolt's own 16 MB would pass any
	// bound in one step.
	growth = 256 << 10
)

// store keeps points in a file of bounded size.
type store struct {
	path string
	most int64 // bytes

	mu sync.RWMutex // held for writing while the file is replaced
	db *bolt.DB
}

// openStore sets a file aside that cannot be read, such as one that a full disk
// or a power cut has damaged: monitoring is worth more than its history.
func openStore(path string, most int64, log zerolog.Logger) (*store, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHistory, err)
	}
	db, err := openSound(path)
	if damaged(err) {
		log.Warn().Err(err).Str("file", path).Msg("the history is damaged: it is set aside and a new one begun")
		if err := os.Rename(path, path+".damaged"); err != nil {
			return nil, fmt.Errorf("%w: set %s aside: %w", ErrHistory, path, err)
		}
		db, err = openSound(path)
	}
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, hint.With(fmt.Errorf("%w: %s is in use", ErrHistory, path), "another relink serve is running with this state_dir; stop it first")
	}
	if err != nil {
		return nil, fmt.Errorf("%w: open %s: %w", ErrHistory, path, err)
	}
	return &store{path: path, most: most, db: db}, nil
}

var errDamaged = errors.New("damaged")

func damaged(err error) bool {
	for _, kind := range []error{errDamaged, berrors.ErrInvalid, berrors.ErrChecksum, berrors.ErrVersionMismatch} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// openSound looks at every page before the file is used: bbolt panics where it
// meets a damaged one, and the service would do so again after each restart.
func openSound(path string) (db *bolt.DB, err error) {
	defer func() {
		if why := recover(); why != nil {
			if db != nil {
				err = errors.Join(db.Close())
			}
			db, err = nil, errors.Join(err, fmt.Errorf("%w: %v", errDamaged, why))
		}
	}()
	db, err = bolt.Open(path, 0o640, &bolt.Options{Timeout: lockWait, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return nil, err
	}
	db.AllocSize = growth
	err = db.Update(func(tx *bolt.Tx) error {
		for problem := range tx.Check() {
			err = errors.Join(err, fmt.Errorf("%w: %w", errDamaged, problem))
		}
		if err != nil {
			return err
		}
		_, err := tx.CreateBucketIfNotExists(minutes)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}

func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.db.Close()
}

func minuteKey(t time.Time) []byte {
	return binary.BigEndian.AppendUint64(nil, uint64(max(t.UnixMilli(), 0)))
}

func (s *store) put(p Point) error {
	value, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHistory, err)
	}
	s.mu.RLock()
	err = s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(minutes).Put(minuteKey(p.Time), value) })
	s.mu.RUnlock()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrHistory, err)
	}
	if s.size()+growth <= s.most { // the next growth fits too
		return nil
	}
	if err := s.shrink(); err != nil {
		return fmt.Errorf("%w: make it smaller: %w", ErrHistory, err)
	}
	return nil
}

// between reads points, joined so that each stands for one step.
func (s *store) between(since, until time.Time, step time.Duration) []Point {
	s.mu.RLock()
	defer s.mu.RUnlock()
	points := []Point{}
	// A view fails only where the file is closed: then there is nothing to tell.
	_ = s.db.View(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(minutes).Cursor()
		last := string(minuteKey(until))
		for k, v := cursor.Seek(minuteKey(since)); k != nil && string(k) <= last; k, v = cursor.Next() {
			var p Point
			if json.Unmarshal(v, &p) != nil {
				continue // of another version
			}
			if points = append(points, p); len(points) > keptPoints {
				points = thin(points, step)
			}
		}
		return nil
	})
	return thin(points, step)
}

// size is that of the file.
func (s *store) size() int64 {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// shrink drops the oldest third and writes the rest anew, because bbolt never
// gives space back. A crash leaves the old file or the new one.
func (s *store) shrink() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.db.Update(dropOldest); err != nil {
		return err
	}
	next := s.path + ".new"
	if err := os.Remove(next); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.copyTo(next); err != nil {
		return errors.Join(err, os.Remove(next))
	}
	if err := errors.Join(s.db.Close(), os.Rename(next, s.path), durable.SyncDir(filepath.Dir(s.path))); err != nil {
		return err
	}
	db, err := openSound(s.path)
	if err == nil {
		s.db = db
	}
	return err
}

func (s *store) copyTo(path string) error {
	copied, err := bolt.Open(path, 0o640, &bolt.Options{Timeout: lockWait})
	if err != nil {
		return err
	}
	copied.AllocSize = growth
	return errors.Join(bolt.Compact(copied, s.db, 1<<20), copied.Sync(), copied.Close())
}

func dropOldest(tx *bolt.Tx) error {
	bucket := tx.Bucket(minutes)
	drop := bucket.Stats().KeyN/3 + 1
	cursor := bucket.Cursor()
	for k, _ := cursor.First(); k != nil && drop > 0; k, _ = cursor.First() {
		if err := cursor.Delete(); err != nil {
			return err
		}
		drop--
	}
	return nil
}
