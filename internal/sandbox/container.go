package sandbox

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

	"relink/internal/hint"
)

// Container has an FPM master run in namespaces of its own: mounts, network and,
// unless SharePIDs says otherwise, processes. It sees this machine's programs and libraries, none of its /tmp
// and /srv but what Binds puts there. Its pools listen on an address that only
// this machine reaches. It needs root.
//
// Everything ends with the master: the kernel ends the mounts and the network
// with the last process in there, and the other processes with process 1.
type Container struct {
	Binds     []Bind
	SharePIDs bool // the master is a process of this machine
}

// Bind shows the folder Host at the path Inside, which lies below /tmp or /srv.
type Bind struct{ Host, Inside string }

// containerPort is where the first pool listens, inside.
const containerPort = 9000

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

// inContainer wraps the command of a master. The network is made for the process
// once that runs; connect does it and lets the process go on.
func (m *master) inContainer(cmd *exec.Cmd) (connect func(*process) error, err error) {
	path, err := exec.LookPath("sh")
	if err != nil {
		return nil, err
	}
	args := []string{"sh", "-c", containerScript, "sh", m.veth.inside}
	own := m.server.layout.root
	for _, bind := range append([]Bind{{own, own}}, m.Container.Binds...) {
		args = append(args, bind.Host+":"+bind.Inside)
	}
	cmd.Args, cmd.Path = append(append(args, "--"), cmd.Args...), path
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET}
	if !m.Container.SharePIDs {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWPID
	}
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdin = theirs
	return func(p *process) error {
		defer ours.Close()
		defer theirs.Close()
		if p == nil {
			return nil
		}
		if err := m.veth.create(p.pid); err != nil {
			return err
		}
		_, err := io.WriteString(ours, "go\n")
		return err
	}, nil
}

func (n veth) create(pid int) error {
	return errors.Join(
		ip("link", "add", n.device, "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(pid)),
		ip("address", "add", n.host+"/30", "dev", n.device),
		ip("link", "set", n.device, "up"))
}

// remove is for certainty: the device goes with the other end's namespace, but
// when the kernel comes to it.
func (n veth) remove() error {
	if n.device == "" {
		return nil
	}
	if _, err := net.InterfaceByName(n.device); err != nil {
		return nil
	}
	if err := ip("link", "delete", n.device); err != nil {
		if _, gone := net.InterfaceByName(n.device); gone != nil {
			return nil // the kernel was faster
		}
		return err
	}
	return nil
}

func ip(args ...string) error {
	ctx, cancel := context.WithTimeout(context.Background(), readyWait)
	defer cancel()
	out, err := exec.CommandContext(ctx, "ip", args...).CombinedOutput()
	if err != nil {
		return hint.With(fmt.Errorf("ip %s: %w: %s", strings.Join(args, " "), err, out), "install Debian's iproute2, and run as root")
	}
	return nil
}
