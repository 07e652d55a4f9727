package fcgi

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"relink/internal/hint"
)

// A caller without descriptors has not learned that nothing listens.
func TestNoDescriptorsAreNoAnswer(t *testing.T) {
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		err := refused(Address{Network: "unix", Path: "/run/a.sock"}, &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", errno)})
		if !errors.Is(err, errno) || errors.Is(err, ErrNotListening) || !strings.Contains(strings.Join(hint.Of(err), ""), "ulimit -n") {
			t.Errorf("%v, hints %q", err, hint.Of(err))
		}
	}
}
