package sandbox

// InChroot is an Options.FPMCommand that runs FPM inside another root file
// system, such as a debootstrap of a Debian with another PHP version, with
// folders of this machine visible at the same paths. It needs root.
//
// The mounts live in a mount namespace of their own, which ends with FPM:
// nothing is left mounted, however FPM ends. unshare, sh and chroot replace
// themselves by the next command, so that the process started is FPM's master.
func InChroot(root string, folders ...string) []string {
	const script = `set -e
root=$1; shift
mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
while [ "$1" != -- ]; do
	mkdir -p "$root$1"
	mount --bind "$1" "$root$1"
	shift
done
shift
exec chroot "$root" "$@"`
	command := append([]string{"unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", root}, folders...)
	return append(command, "--")
}
