// Package depot keeps what a release is made of on one host of a fleet, by its SHA-256, and
// hands it to the others: a build runs once, and each host fetches only what it does not have.
package depot

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"relink/deploy/fleet"
	"relink/deploy/fleet/ca"
	"relink/internal/bounded"
	"relink/internal/durable"
	"relink/internal/trust"
)

// Depot is a folder that is nobody else's:
//
//	<dir>/lists/ID        what one release is made of (List); ID is its SHA-256
//	<dir>/lists/ID.whole  all of it has been here
//	<dir>/files/SUM       a file, by its SHA-256
//	<dir>/files/SUM.part  the beginning of one
//	<dir>/taking-*/       what is being taken
//
// Nothing in it is believed: a file counts by what it holds when it is read.
type Depot struct {
	// Having are the other hosts that are there and have all of a release.
	Having func(ctx context.Context, id string) ([]Peer, error)

	dir      string
	own      ca.Folder                // with this host's certificate
	folders  func() ([]string, error) // releases that may hold the same files
	patience time.Duration            // how long nothing has to come before a fetch is given up

	turn    chan struct{} // one fetch at a time
	mu      sync.Mutex
	fetched map[string]fleet.Fetched
}

const mostPatience = 30 * time.Second

const (
	listsDir    = "lists"
	filesDir    = "files"
	takingName  = "taking-"
	wholeSuffix = ".whole"
	partSuffix  = ".part"
)

// In is the depot in the folder of state of a host that has its certificate in own. folders
// are those of releases on it, which have most of what comes.
func In(stateDir string, own ca.Folder, folders func() ([]string, error)) *Depot {
	return &Depot{dir: filepath.Join(stateDir, "fleet-depot"), own: own, folders: folders, patience: mostPatience, turn: make(chan struct{}, 1), fetched: map[string]fleet.Fetched{}}
}

// make makes the folders.
func (d *Depot) make() error {
	for _, dir := range []string{d.dir, filepath.Join(d.dir, listsDir), filepath.Join(d.dir, filesDir)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	return trust.CheckForRoot(d.dir)
}

func (d *Depot) listPath(id string) string { return filepath.Join(d.dir, listsDir, id) }

// Whole are the ids of the releases that can be fetched from here, sorted.
func (d *Depot) Whole() []string {
	return slices.DeleteFunc(d.ids(), func(id string) bool {
		_, err := os.Lstat(d.listPath(id) + wholeSuffix)
		return err != nil
	})
}

// ids are all of which there is a list, sorted.
func (d *Depot) ids() []string {
	entries, err := bounded.Folder(filepath.Join(d.dir, listsDir), bounded.MostLinks)
	if err != nil {
		return nil // there is none yet
	}
	var ids []string
	for _, entry := range entries {
		if isID(entry.Name()) {
			ids = append(ids, entry.Name())
		}
	}
	slices.Sort(ids)
	return ids
}

// read gives a list that is here; fs.ErrNotExist where it is not, or was damaged.
func (d *Depot) read(id string) (List, error) {
	if !isID(id) {
		return List{}, fmt.Errorf("%w: %q is no SHA-256", ErrList, id)
	}
	text, err := bounded.File(d.listPath(id), mostList)
	if err != nil {
		return List{}, err
	}
	if idOf(text) != id {
		return List{}, &fs.PathError{Op: "read", Path: d.listPath(id), Err: fs.ErrNotExist}
	}
	return parse(text)
}

// keep writes a list down.
func (d *Depot) keep(l List) (id string, err error) {
	text, err := l.format()
	if err == nil && len(text) > mostList {
		err = fmt.Errorf("%w: %w", ErrList, bounded.ErrTooLarge)
	}
	if err != nil {
		return "", err
	}
	id = idOf(text)
	return id, durable.WriteFile(d.listPath(id), text, 0o600)
}

// complete notes that all of a release has been here.
func (d *Depot) complete(id string) error {
	return durable.WriteFile(d.listPath(id)+wholeSuffix, nil, 0o600)
}

// Fetched is what has come for a release since this agent began; nil for nothing.
func (d *Depot) Fetched(id string) *fleet.Fetched {
	d.mu.Lock()
	defer d.mu.Unlock()
	f, there := d.fetched[id]
	if !there {
		return nil
	}
	f.From = slices.Clone(f.From)
	return &f
}

// came notes that a file of a release has come.
func (d *Depot) came(id string, of int, from string, bytes int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.fetched[id]
	f.Files, f.Of, f.Bytes = f.Files+1, of, f.Bytes+bytes
	if !slices.Contains(f.From, from) {
		f.From = append(f.From, from)
	}
	d.fetched[id] = f
}
