package probe

import (
	"encoding/json"
	"fmt"
	"time"

	"relink/internal/envelope"
)

// Answer is what the PHP of a site tells about itself. Paths are that PHP's own:
// the ones of its chroot or container, if it has one.
type Answer struct {
	File         string // the script that ran, by real path
	Filename     string // SCRIPT_FILENAME, literally as the web server sent it
	DocumentRoot string
	ContextRoot  string // CONTEXT_DOCUMENT_ROOT; only Apache sends it
	ScriptName   string
	SAPI         string // "fpm-fcgi", "apache2handler"
	PHPVersion   string
	ThreadSafe   bool // PHP runs in threads, of which a pid may have many
	PID          int
	ParentPID    int       // 0 without the posix extension
	CacheStart   time.Time // when the OPcache began; zero where it cannot be asked

	RevalidatePath     bool   // opcache.revalidate_path
	ValidateTimestamps bool   // opcache.validate_timestamps
	UserINI            string // user_ini.filename; "" where the SAPI reads none
}

type wireAnswer struct {
	Refused            string        `json:"refused"` // why the agent was not run
	File               envelope.Text `json:"file"`
	Filename           envelope.Text `json:"filename"`
	DocumentRoot       envelope.Text `json:"document_root"`
	ContextRoot        envelope.Text `json:"context_root"`
	ScriptName         envelope.Text `json:"script_name"`
	SAPI               string        `json:"sapi"`
	PHP                string        `json:"php"`
	ThreadSafe         bool          `json:"thread_safe"`
	PID                int           `json:"pid"`
	Parent             int           `json:"parent"`
	CacheStart         int64         `json:"cache_start"` // seconds
	RevalidatePath     bool          `json:"revalidate_path"`
	ValidateTimestamps bool          `json:"validate_timestamps"`
	UserINI            envelope.Text `json:"user_ini"`
}

func decode(payload []byte) (wireAnswer, error) {
	var w wireAnswer
	if err := json.Unmarshal(payload, &w); err != nil {
		return w, fmt.Errorf("%w: %w", envelope.ErrCorrupt, err)
	}
	return w, nil
}

func parse(payload []byte) (Answer, error) {
	w, err := decode(payload)
	if err != nil {
		return Answer{}, err
	}
	if w.File == "" || w.SAPI == "" || w.PID < 0 || w.Parent < 0 || w.CacheStart < 0 {
		return Answer{}, fmt.Errorf("%w: it reads %s", envelope.ErrCorrupt, envelope.Excerpt(payload))
	}
	answer := Answer{
		File: string(w.File), Filename: string(w.Filename), DocumentRoot: string(w.DocumentRoot),
		ContextRoot: string(w.ContextRoot), ScriptName: string(w.ScriptName),
		SAPI: w.SAPI, PHPVersion: w.PHP, ThreadSafe: w.ThreadSafe, PID: w.PID, ParentPID: w.Parent,
		RevalidatePath: w.RevalidatePath, ValidateTimestamps: w.ValidateTimestamps, UserINI: string(w.UserINI),
	}
	if w.CacheStart > 0 {
		answer.CacheStart = time.Unix(w.CacheStart, 0)
	}
	return answer, nil
}
