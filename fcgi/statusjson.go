package fcgi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

type statusJSON struct {
	Pool               string        `json:"pool"`
	StartTime          number        `json:"start time"`
	AcceptedConn       number        `json:"accepted conn"`
	ListenQueue        number        `json:"listen queue"`
	MaxListenQueue     number        `json:"max listen queue"`
	MaxActiveProcesses number        `json:"max active processes"`
	MaxChildrenReached number        `json:"max children reached"`
	SlowRequests       number        `json:"slow requests"`
	Processes          []processJSON `json:"processes"`
}

type processJSON struct {
	PID             number `json:"pid"`
	State           string `json:"state"`
	StartTime       number `json:"start time"`
	StartSince      number `json:"start since"`
	Requests        number `json:"requests"`
	RequestDuration number `json:"request duration"`
	Method          string `json:"request method"`
	URI             string `json:"request uri"`
}

// number is a C unsigned long. One above the range of int64 comes of a
// subtraction below zero, and reads as 0.
type number int64

func (n *number) UnmarshalJSON(text []byte) error {
	value, err := strconv.ParseInt(string(text), 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		value, err = 0, nil
	}
	*n = number(max(value, 0))
	return err
}

func parseStatus(body []byte) (PoolStatus, error) {
	start := bytes.IndexByte(body, '{') // what stands before it is stderr
	if start < 0 {
		return PoolStatus{}, errors.New("no JSON")
	}
	var page statusJSON
	if err := json.NewDecoder(bytes.NewReader(repair(body[start:]))).Decode(&page); err != nil {
		return PoolStatus{}, fmt.Errorf("not a status page: %w", err)
	}
	if page.Pool == "" || len(page.Processes) == 0 {
		return PoolStatus{}, errors.New("JSON without the keys of a full status page")
	}
	return page.typed(), nil
}

// record is one worker's line. Older FPMs put into it unescaped what a visitor
// sends (bug 64539; 8.2.36 escapes all of it). The order of the keys is fixed in
// fpm_status.c, so that each text ends where the next key begins. The CPU's share is
// a C double, which may be no number at all ("-nan").
var record = regexp.MustCompile(`(?s)(\{"pid":\d+,"state":"[A-Za-z ]*","start time":\d+,"start since":\d+,"requests":\d+,"request duration":\d+)` +
	`,"request method":"(.*?)","request uri":"(.*?)","content length":\d+,"user":".*?","script":".*?"` +
	`,"last request cpu":[^,"]*,"last request memory":\d+\}`)

// repair makes JSON of FPM's page. Texts that are JSON stay as they are.
func repair(page []byte) []byte {
	const list = `"processes":[`
	start := bytes.Index(page, []byte(list))
	if json.Valid(page) || start < 0 {
		return page
	}
	start += len(list)
	var records [][]byte
	rest := page[start:]
	for {
		at := record.FindSubmatchIndex(rest)
		if at == nil {
			break
		}
		part := func(i int) []byte { return rest[at[2*i]:at[2*i+1]] }
		records = append(records, fmt.Appendf(nil, `%s,"request method":%s,"request uri":%s}`, part(1), quoted(part(2)), quoted(part(3))))
		rest = rest[at[1]:]
	}
	if !bytes.Contains(rest, []byte("]}")) {
		return page // it is cut off
	}
	return fmt.Appendf(nil, "%s%s]}", page[:start], bytes.Join(records, []byte(",")))
}

// quoted gives text as a JSON string. Text that is escaped stays as it is.
func quoted(text []byte) []byte {
	asIs := fmt.Appendf(nil, `"%s"`, text)
	if json.Valid(asIs) {
		return asIs
	}
	escaped, _ := json.Marshal(string(text)) // of a string: cannot fail
	return escaped
}

func (s statusJSON) typed() PoolStatus {
	status := PoolStatus{
		Pool:               s.Pool,
		StartTime:          time.Unix(int64(s.StartTime), 0),
		AcceptedConn:       int64(s.AcceptedConn),
		ListenQueue:        int64(s.ListenQueue),
		MaxListenQueue:     int64(s.MaxListenQueue),
		MaxActiveProcesses: int64(s.MaxActiveProcesses),
		MaxChildrenReached: int64(s.MaxChildrenReached),
		SlowRequests:       int64(s.SlowRequests),
	}
	for _, process := range s.Processes {
		status.Processes = append(status.Processes, process.typed())
	}
	return status
}

func (p processJSON) typed() Process {
	return Process{
		PID: int(p.PID),
		// Older versions write "Getting request informations".
		State:           State(strings.Replace(p.State, "informations", "information", 1)),
		StartTime:       time.Unix(int64(p.StartTime), 0),
		Requests:        int64(p.Requests),
		RequestDuration: p.duration(),
		Method:          known(p.Method),
		URI:             PublicURI(known(p.URI)),
	}
}

// duration mends what the worker's clock and its fields, read without a lock,
// make of "request duration": below zero is 0 (an unsigned wrap), and no request
// is older than its worker, whose age has a second's grain.
func (p processJSON) duration() time.Duration {
	if p.RequestDuration > number(math.MaxInt64/time.Microsecond) {
		return 0
	}
	taken := time.Duration(p.RequestDuration) * time.Microsecond
	age := time.Duration(min(p.StartSince, number(math.MaxInt64/time.Second-1))) * time.Second
	return min(taken, age+time.Second)
}

// PublicURI is what may be shown and kept of a visitor's URI: without its query, which
// may hold passwords, and with bytes encoded that would drive a terminal. A visitor
// may send any.
func PublicURI(uri string) string {
	path, _, _ := strings.Cut(uri, "?")
	var b strings.Builder
	for _, c := range []byte(path) {
		if c <= ' ' || c >= 0x7f {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func known(text string) string {
	if text == "-" {
		return ""
	}
	return text
}
