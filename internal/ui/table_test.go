package ui_test

import (
	"strings"
	"testing"

	"relink/internal/ui"
)

func TestTable(t *testing.T) {
	table := ui.NewTable(80, "instance", "release", "memory").Right(2)
	table.Row("club1", "20240102T030405-v2", "14.2 MB")
	table.Row("müsli", ui.Colors(true).Red("bad"), "3 MB")
	table.Row("short")
	table.Row("two\nlines", "", "")
	golden(t, table.String(), `
instance  release              memory
--------  ------------------  -------
club1     20240102T030405-v2  14.2 MB
müsli     `+"\x1b[31mbad\x1b[0m"+`                    3 MB
short
two
lines
`)
}

func TestTableFitsTheScreen(t *testing.T) {
	table := ui.NewTable(0, "check", "state", "what to do")
	table.Row("opcache", "CRITICAL", "OPcache is full: 128 MB used, no restart possible while waste is below opcache.max_wasted_percentage; raise opcache.memory_consumption to 256")
	table.Row("link of club1", "OK", "")
	golden(t, table.String(), `
check          state     what to do
-------------  --------  -------------------------------------------------------
opcache        CRITICAL  OPcache is full: 128 MB used, no restart possible while
                         waste is below opcache.max_wasted_percentage; raise
                         opcache.memory_consumption to 256
link of club1  OK
`)
	for line := range strings.Lines(table.String()) {
		if len(line) > 81 {
			t.Errorf("%d columns: %s", len(line)-1, line)
		}
	}
}

func TestTableKeepsWordsWhole(t *testing.T) {
	table := ui.NewTable(20, "path", "note")
	table.Row("/srv/releases/booking/20240102", "to be copied")
	golden(t, table.String(), `
path                            note
------------------------------  ------
/srv/releases/booking/20240102  to be
                                copied
`)
}

// The target of a link is whatever its owner has written.
func TestATableDoesNotDriveTheTerminal(t *testing.T) {
	table := ui.NewTable(80, "RELEASE")
	table.Row("/srv/\x1b]0;pwned\a\nsecond line")
	if got := table.String(); strings.ContainsAny(got, "\x1b\a") || !strings.Contains(got, `\x1b]0;pwned\x07`) || !strings.Contains(got, "\nsecond line") {
		t.Errorf("%q", got)
	}
}
