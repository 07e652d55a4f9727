package hint

import (
	"errors"
	"io/fs"
	"os"
	"syscall"
)

// Refused is what there is to look at where root itself is refused.
const Refused = "root itself was refused: look for AppArmor or SELinux (dmesg, ausearch -m avc), at the sandbox of the service that runs relink (ReadWritePaths=, CapabilityBoundingSet=), at NFS (root_squash) and at chattr +i"

// Write adds to an error about what could not be written in a folder what to do about its
// cause.
func Write(err error, folder string) error {
	switch denied := errors.Is(err, fs.ErrPermission); {
	case errors.Is(err, syscall.EROFS):
		return With(err, "%s is mounted read-only, or read-only for the service that runs relink: mount it for writing (systemd: ReadWritePaths=%s)", folder, folder)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return With(err, `run "relink prune", or enlarge the file system`)
	case denied && os.Geteuid() == 0:
		return With(err, Refused)
	case denied:
		return With(err, "run relink as root, or as the user that owns %s", folder)
	}
	return err
}
