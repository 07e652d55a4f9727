package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// enclosure is a sandbox.Place: namespaces of a master's own, for mounts, network and,
// unless sharePIDs says otherwise, processes. It sees this machine's programs and
// libraries, none of its /tmp and /srv but what binds puts there. Its pools listen on
// an address that only this machine reaches. It needs root.
//
// Everything ends with the master: the kernel ends the mounts and the network
// with the last process in there, and the other processes with process 1.
type enclosure struct {
	binds     []bind
	sharePIDs bool // the master is a process of this machine
	veth      veth
}

// bind shows the folder host at the path inside, which lies below /tmp or /srv.
type bind struct{ host, inside string }

// veth is the device that leads to one container, with a network of two
// addresses for itself, of those that are set aside for tests (RFC 2544).
type veth struct {
	device, host, inside string
}

func newVeth() (veth, error) {
	for range 100 {
		n := rand.N(1 << 15)
		address := net.IPv4(198, byte(18+n>>14), byte(n>>6), byte(n<<2)).To4()
		taken, err := reachable(address)
		if err != nil {
			return veth{}, err
		}
		if taken {
			continue
		}
		host, inside := net.IPv4(address[0], address[1], address[2], address[3]+1), net.IPv4(address[0], address[1], address[2], address[3]+2)
		return veth{device: fmt.Sprintf("rl%x", rand.Uint32()), host: host.String(), inside: inside.String()}, nil
	}
	return veth{}, errors.New("no network of two addresses below 198.18.0.0/15 is free")
}

// reachable tells whether a device of this machine has a network with the address.
func reachable(address net.IP) (bool, error) {
	own, err := net.InterfaceAddrs()
	for _, one := range own {
		if network, ok := one.(*net.IPNet); ok && network.Contains(address) {
			return true, nil
		}
	}
	return false, err
}

// containerScript waits for its network before it becomes FPM. The folders are
// put aside before /tmp and /srv are hidden. That sh becomes FPM keeps the pid.
const containerScript = `set -e
address=$1; shift
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs /mnt
n=0
for bind in "$@"; do
	[ "$bind" != -- ] || break
	n=$((n+1)); mkdir "/mnt/$n"; mount --bind "${bind%%:*}" "/mnt/$n"
done
mount -t tmpfs -o mode=1777 tmpfs /tmp
mount -t tmpfs -o mode=755 tmpfs /srv
n=0
while [ "$1" != -- ]; do
	n=$((n+1)); mkdir -p "${1#*:}"; mount --move "/mnt/$n" "${1#*:}"; shift
done
shift
umount /mnt
mount -t proc proc /proc
read -r go
ip link set lo up
ip address add "$address/30" dev eth0
ip link set eth0 up
exec "$@" </dev/null`

// Choose makes no device yet: that needs the pid of the process that runs there.
func (e *enclosure) Choose() (host string, err error) {
	e.veth, err = newVeth()
	return e.veth.inside, err
}

// Enter: the network is made for the process once that runs; connect does it and lets
// the process go on.
func (e *enclosure) Enter(cmd *exec.Cmd, root string) (connect func(pid int) error, err error) {
	path, err := exec.LookPath("sh")
	if err != nil {
		return nil, err
	}
	args := []string{"sh", "-c", containerScript, "sh", e.veth.inside}
	for _, one := range append([]bind{{root, root}}, e.binds...) {
		args = append(args, one.host+":"+one.inside)
	}
	cmd.Args, cmd.Path = append(append(args, "--"), cmd.Args...), path
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	if !e.sharePIDs {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWPID
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdin = theirs
	return func(pid int) error {
		defer ours.Close()
		defer theirs.Close()
		if pid == 0 {
			return nil
		}
		if err := e.veth.create(pid); err != nil {
			return err
		}
		_, err := io.WriteString(ours, "go\n")
		return err
	}, nil
}

// Leave is for certainty: the device goes with the other end's namespace, but
// when the kernel comes to it.
func (e *enclosure) Leave() error {
	device := e.veth.device
	if device == "" {
		return nil
	}
	if _, err := net.InterfaceByName(device); err != nil {
		return nil
	}
	if err := runIP("link", "delete", device); err != nil {
		if _, gone := net.InterfaceByName(device); gone != nil {
			return nil // the kernel was faster
		}
		return err
	}
	return nil
}

func (n veth) create(pid int) error {
	return errors.Join(
		runIP("link", "add", n.device, "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(pid)),
		runIP("address", "add", n.host+"/30", "dev", n.device),
		runIP("link", "set", n.device, "up"))
}

func runIP(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ip %s: %w: %s (it needs Debian's iproute2, and root)", strings.Join(args, " "), err, out)
	}
	return nil
}
