package fpm

import (
	"errors"
	"os"
	"strings"
	"testing"

	"relink/internal/hint"
	"relink/internal/sandbox"
)

func TestCutTitleIsAProblem(t *testing.T) {
	m := Master{PID: os.Getpid()}
	if err := m.locate("/etc/php/8.2/fp"); err == nil || !strings.Contains(err.Error(), "cut off") {
		t.Error(err)
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.locate("conf/fpm.conf)"); err != nil || m.Config != dir+"/conf/fpm.conf" || m.Root != "/" {
		t.Errorf("%v %+v", err, m)
	}
}

func TestUnreadableConfiguration(t *testing.T) {
	fpm, err := sandbox.FindFPM("/")
	if err != nil {
		t.Fatal(err)
	}
	m := Master{PID: os.Getpid(), UID: os.Geteuid(), GID: os.Getegid(), Exe: fpm, Root: "/", Config: t.TempDir() + "/gone.conf"}
	_, err = m.Pools(t.Context())
	if err == nil || !strings.Contains(err.Error(), "gone.conf") || len(hint.Of(err)) == 0 {
		t.Errorf("%v, hints %q", err, hint.Of(err))
	}
	m.Problem = errors.New("problem")
	if _, err := m.Pools(t.Context()); !errors.Is(err, m.Problem) {
		t.Error(err)
	}
}

// A configuration test loads php.ini too, and with it would run the application's
// preload script.
func TestConfigurationIsTestedWithoutPreload(t *testing.T) {
	echo := Master{Exe: "/bin/echo", Root: "/", UID: os.Geteuid(), GID: os.Getegid()}
	printed, err := echo.test(t.Context(), "/etc/fpm.conf")
	broken := echo
	broken.Exe = "/no/such/php-fpm"
	if _, err := broken.test(t.Context(), "/etc/fpm.conf"); err == nil || errors.Is(err, ErrBadConfig) {
		t.Errorf("a binary that cannot run: %v", err)
	}
	if err != nil || string(printed) != "-R -d opcache.preload= -y /etc/fpm.conf -tt\n" {
		t.Errorf("%q %v", printed, err)
	}
}
