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
	File         string    `json:"file"`     // the script that ran, by real path
	Filename     string    `json:"filename"` // SCRIPT_FILENAME, literally as the web server sent it
	DocumentRoot string    `json:"document_root"`
	ContextRoot  string    `json:"context_root"` // CONTEXT_DOCUMENT_ROOT; only Apache sends it
	ScriptName   string    `json:"script_name"`
	SAPI         string    `json:"sapi"` // "fpm-fcgi", "apache2handler"
	PHPVersion   string    `json:"php"`
	ThreadSafe   bool      `json:"thread_safe"` // PHP runs in threads, of which a pid may have many
	PID          int       `json:"pid"`
	ParentPID    int       `json:"parent"` // 0 without the posix extension
	CacheStart   time.Time `json:"-"`      // when the OPcache began; zero where it cannot be asked

	RevalidatePath     bool   `json:"revalidate_path"`     // opcache.revalidate_path
	ValidateTimestamps bool   `json:"validate_timestamps"` // opcache.validate_timestamps
	UserINI            string `json:"user_ini"`            // user_ini.filename; "" where the SAPI reads none
}

// wireAnswer is an Answer, or the reason why the agent was not run.
type wireAnswer struct {
	Answer
	Refused string `json:"refused"`
	Started int64  `json:"cache_start"` // in seconds
}

// decode gives an answer that is whole, or why the agent was not run.
func decode(payload []byte) (w wireAnswer, err error) {
	err = json.Unmarshal(payload, &w)
	for _, text := range []*string{&w.File, &w.Filename, &w.DocumentRoot, &w.ContextRoot, &w.ScriptName, &w.UserINI} {
		if err == nil {
			*text, err = envelope.Unescape(*text)
		}
	}
	if err != nil {
		return w, fmt.Errorf("%w: %w", envelope.ErrCorrupt, err)
	}
	return w, nil
}

func parse(payload []byte) (Answer, error) {
	w, err := decode(payload)
	if err != nil {
		return Answer{}, err
	}
	if w.File == "" || w.SAPI == "" || w.PID < 0 || w.ParentPID < 0 || w.Started < 0 {
		return Answer{}, fmt.Errorf("%w: it reads %s", envelope.ErrCorrupt, envelope.Excerpt(payload))
	}
	if w.Started > 0 {
		w.CacheStart = time.Unix(w.Started, 0)
	}
	return w.Answer, nil
}
