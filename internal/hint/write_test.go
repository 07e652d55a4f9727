package hint_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"testing"

	"relink/internal/hint"

	"github.com/google/go-cmp/cmp"
)

func TestWriteAdvisesByCause(t *testing.T) {
	denied := "as the user that owns /srv"
	if os.Geteuid() == 0 {
		denied = "root itself was refused"
	}
	for _, test := range []struct {
		err  error
		says string
	}{
		{&fs.PathError{Op: "mkdir", Path: "/srv/x", Err: syscall.EROFS}, "/srv is mounted read-only"},
		{fmt.Errorf("write: %w", syscall.ENOSPC), "relink prune"},
		{fmt.Errorf("mkdir: %w", syscall.EACCES), denied},
		{errors.New("other"), ""},
	} {
		got := strings.Join(hint.Of(hint.Write(test.err, "/srv")), "; ")
		if (got == "") != (test.says == "") || !strings.Contains(got, test.says) {
			t.Errorf("%v: %q, want %q", test.err, got, test.says)
		}
	}
}

func TestInsteadAndUnless(t *testing.T) {
	inner := hint.With(errors.New("broken"), "look")
	if diff := cmp.Diff([]string{"look there"}, hint.Of(hint.Instead(fmt.Errorf("call: %w", inner), "look there"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"look"}, hint.Of(hint.Unless(inner, "start it"))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"start it"}, hint.Of(hint.Unless(errors.New("broken"), "start it"))); diff != "" {
		t.Error(diff)
	}
	if hint.Instead(nil, "x") != nil || hint.Unless(nil, "x") != nil || hint.Write(nil, "/") != nil {
		t.Error("a hint made an error out of nil")
	}
}
