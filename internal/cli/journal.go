package cli

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/rs/zerolog"
)

// toJournal tells whether what is written there goes to systemd's journal, by the
// variable that systemd sets for it (systemd.exec(5)): a command whose output was led
// elsewhere has inherited the variable.
func toJournal(stream string, w io.Writer) bool {
	file, isFile := w.(*os.File)
	if !isFile || stream == "" {
		return false
	}
	info, err := file.Stat()
	if err != nil {
		return false
	}
	stat, is := info.Sys().(*syscall.Stat_t)
	return is && stream == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// journal writes lines with the priority that the journal keeps of each, and without the
// time, which it keeps too (sd-daemon(3)).
type journal struct{ to io.Writer }

func (j journal) Write(line []byte) (int, error) { return j.WriteLevel(zerolog.NoLevel, line) }

// WriteLevel is zerolog.LevelWriter's.
func (j journal) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	text := bytes.NewBufferString(priority(level))
	console := zerolog.ConsoleWriter{Out: text, NoColor: true, PartsExclude: []string{zerolog.TimestampFieldName, zerolog.LevelFieldName}}
	if _, err := console.Write(line); err != nil {
		return 0, err
	}
	_, err := j.to.Write(text.Bytes())
	return len(line), err
}

func priority(level zerolog.Level) string {
	switch {
	case level <= zerolog.DebugLevel:
		return "<7>"
	case level == zerolog.WarnLevel:
		return "<4>"
	case level > zerolog.WarnLevel && level < zerolog.NoLevel:
		return "<3>"
	}
	return "<6>"
}
