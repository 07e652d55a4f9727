package fcgi

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"relink/internal/hint"
	"relink/internal/pace"
)

// statusLimit is room for the lines of some 10,000 workers.
const statusLimit = 16 << 20

// A status page that cannot lock FPM's scoreboard, because a worker writes to it
// just then, answers with an error of the server (fpm_status.c). The lock is held
// for microseconds, but a writer that is not scheduled holds it for longer.
const (
	statusTries = 10
	statusPause = 20 * time.Millisecond
)

// State is what a worker does, in FPM's words (fpm_request.c).
type State string

const (
	StateIdle           State = "Idle"
	StateReadingHeaders State = "Reading headers" // also: held by a persistent connection between its requests
	StateInfo           State = "Getting request information"
	StateRunning        State = "Running"
	StateEnding         State = "Ending"
	StateFinishing      State = "Finishing" // for a moment after the answer has been sent
)

// PoolStatus is what is asked of a pool's full status page. Its counts of processes
// are those of FPM's master, which lag behind: to know the state of now, count
// Processes.
type PoolStatus struct {
	Pool               string
	StartTime          time.Time
	AcceptedConn       int64
	ListenQueue        int64 // connections that wait for a worker now
	MaxListenQueue     int64
	MaxActiveProcesses int64
	MaxChildrenReached int64
	SlowRequests       int64
	Processes          []Process
}

// Process is one worker. What FPM knows only of the last request, or has none
// of yet ("-"), is empty.
type Process struct {
	PID             int
	State           State
	StartTime       time.Time
	Requests        int64
	RequestDuration time.Duration // of the current request, or of the last one if idle
	Method          string
	URI             string // without its query, which is the visitor's, and with no byte that RFC 3986 forbids
}

// Status reads the pool's full status page at path, its pm.status_path. A worker
// of the pool answers it, and shows itself as running. The page is asked for 10 times at
// most; one of more than 16 MiB is ErrTooLarge.
func Status(ctx context.Context, to Address, path string) (PoolStatus, error) {
	if path == "" {
		return PoolStatus{}, noStatusPage(to, "/fpm-status", "no path is known for it")
	}
	answer, err := askStatus(ctx, to, path)
	if err != nil {
		return PoolStatus{}, err
	}
	switch {
	case answer.Status >= http.StatusInternalServerError:
		return PoolStatus{}, statusBusy(to, path, answer)
	case answer.Status != http.StatusOK:
		return PoolStatus{}, noStatusPage(to, path, fmt.Sprintf("%s answers with status %d", path, answer.Status))
	}
	status, err := parseStatus(answer.Body)
	if err != nil {
		return PoolStatus{}, noStatusPage(to, path, fmt.Sprintf("%s answers something else: %v", path, err))
	}
	return status, nil
}

// askStatus asks again while the page cannot answer.
func askStatus(ctx context.Context, to Address, path string) (answer Response, err error) {
	for try := range statusTries {
		if try > 0 && pace.Wait(ctx, statusPause) != nil {
			return answer, nil
		}
		answer, err = exchange(ctx, to, Request{
			Script: path, // FPM compares SCRIPT_NAME (fpm_status.c)
			Params: map[string]string{"QUERY_STRING": "json&full"},
			Limit:  statusLimit,
		})
		if err != nil || answer.Status < http.StatusInternalServerError {
			break
		}
	}
	return answer, err
}

func statusBusy(to Address, path string, answer Response) error {
	return hint.With(failure(to, ErrStatusBusy, fmt.Sprintf("%s answers with status %d: %.80q", path, answer.Status, answer.Body)),
		"FPM could not lock its scoreboard; look for \"scoreboard\" in its error log, and reload it if this lasts")
}

func noStatusPage(to Address, path, cause string) error {
	return hint.With(failure(to, ErrNoStatusPage, cause),
		"add \"pm.status_path = %s\" to the pool's configuration and reload PHP-FPM", path)
}
