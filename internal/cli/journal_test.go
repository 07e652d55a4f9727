package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestLogOfTheJournal(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	stat := info.Sys().(*syscall.Stat_t)
	for stream, want := range map[string]string{
		fmt.Sprintf("%d:%d", stat.Dev, stat.Ino):   "<6>serving listen=:1\n<4>late\n<3>gone\n",
		fmt.Sprintf("%d:%d", stat.Dev, stat.Ino+1): "INF serving listen=:1\nWRN late\nERR gone\n",
		"": "INF serving listen=:1\nWRN late\nERR gone\n",
	} {
		if err := file.Truncate(0); err != nil {
			t.Fatal(err)
		}
		if _, err := file.Seek(0, 0); err != nil {
			t.Fatal(err)
		}
		env := &Env{Stderr: file, logLevel: "info", Getenv: func(name string) string {
			if name == "JOURNAL_STREAM" {
				return stream
			}
			return ""
		}}
		log := env.Log()
		log.Info().Str("listen", ":1").Msg("serving")
		log.Warn().Msg("late")
		log.Error().Msg("gone")
		log.Debug().Msg("nothing")
		text, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		for line := range strings.Lines(string(text)) {
			if want[0] != '<' { // the time of day is in front
				_, line, _ = strings.Cut(line, " ")
			}
			got += line
		}
		if got != want {
			t.Errorf("JOURNAL_STREAM=%s: %q, want %q", stream, got, want)
		}
	}
}
