package apache

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"relink/internal/bounded"
)

// ErrNoStatusPage: there is no page that tells what Apache's processes do.
var ErrNoStatusPage = errors.New("no server status of Apache")

// Request is what one process of Apache does.
type Request struct {
	PID     int
	Serves  bool          // it is inside a request, which may be for a static file
	Age     time.Duration // of that request, in whole seconds
	Request string        // "GET /export.php HTTP/1.1"
}

// statusLimit bounds the server status, which has a row for each slot.
const statusLimit = 4 << 20

// statusRow is a row of mod_status's table (mod_status.c, status_handler): slot and
// generation, pid, accesses, mode, CPU, seconds since the request began, ..., and
// the request, in which no "<" is left that a visitor has sent.
var statusRow = regexp.MustCompile(`<tr><td><b>\d+-\d+</b></td><td>(\d+)</td><td>[^<]*</td><td>(?:<b>)?(\S)(?:</b>)?\s*</td>` +
	`<td>[^<]*</td><td>(\d+)</td>(?:<td[^>]*>[^<]*</td>)*<td nowrap>([^<]*)</td></tr>`)

// Requests reads the page of mod_status, with ExtendedStatus (its default). It takes 2 s at
// most; a page of more than 4 MiB is bounded.ErrTooLarge.
func Requests(ctx context.Context, status string) ([]Request, error) {
	body, err := serverStatus(ctx, status)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoStatusPage, err)
	}
	rows := statusRow.FindAllSubmatch(body, -1)
	if len(rows) == 0 {
		return nil, fmt.Errorf("%w: %s has no row for each process (ExtendedStatus)", ErrNoStatusPage, status)
	}
	var all []Request
	for _, row := range rows {
		pid, err := strconv.Atoi(string(row[1]))
		seconds, ageErr := strconv.Atoi(string(row[3]))
		if err := errors.Join(err, ageErr); err != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrNoStatusPage, status, err)
		}
		one := Request{PID: pid, Serves: string(row[2]) == "W", Request: html.UnescapeString(string(row[4]))}
		if one.Serves {
			one.Age = time.Duration(seconds) * time.Second
		}
		all = append(all, one)
	}
	return all, nil
}

// serverStatus asks over a connection of its own: one that is kept would belong to
// a child of the old generation.
func serverStatus(ctx context.Context, status string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, statusCall)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, status, nil)
	if err != nil {
		return nil, err
	}
	client := http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers with %s", status, response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, statusLimit+1))
	if err == nil && len(body) > statusLimit { // the rows that are left out may be of those who serve
		return nil, fmt.Errorf("%s: %w: more than %d bytes", status, bounded.ErrTooLarge, statusLimit)
	}
	return body, err
}
