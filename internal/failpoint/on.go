//go:build failpoint

package failpoint

import (
	"os"
	"syscall"
)

// Kill gives what ends the process by SIGKILL once it is called with that point.
func Kill(at string) func(point string) {
	return func(point string) {
		if point == at {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}
