package fleettest

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// network is a bridge with a namespace for each machine: the hosts, and after them the
// members of etcd. The balancer, and the test, are at its gateway.
type network struct {
	t      *testing.T
	id     string
	prefix string
}

func newNetwork(t *testing.T, machines int) *network {
	t.Helper()
	n := &network{t: t, id: fmt.Sprintf("rl%04x", rand.N(1<<16)), prefix: fmt.Sprintf("10.%d.%d.", 64+rand.N(64), rand.N(256))}
	n.ip("link", "add", n.id, "type", "bridge")
	t.Cleanup(func() { _ = exec.Command("ip", "link", "del", n.id).Run() })
	n.ip("addr", "add", n.gateway()+"/24", "dev", n.id)
	n.ip("link", "set", n.id, "up")
	for i := range machines {
		name := n.name(i)
		n.ip("netns", "add", name)
		t.Cleanup(func() { _ = exec.Command("ip", "netns", "del", name).Run() })
		n.ip("link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
		n.ip("link", "set", name, "master", n.id, "up")
		n.ip("-n", name, "addr", "add", n.address(i)+"/24", "dev", "eth0")
		n.ip("-n", name, "link", "set", "eth0", "up")
		n.ip("-n", name, "link", "set", "lo", "up")
	}
	return n
}

func (n *network) ip(args ...string) {
	n.t.Helper()
	n.run("ip", args...)
}

func (n *network) run(program string, args ...string) {
	n.t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		n.t.Fatalf("%s %q: %v %s", program, args, err, out)
	}
}

func (n *network) name(machine int) string    { return fmt.Sprintf("%sh%d", n.id, machine+1) }
func (n *network) gateway() string            { return n.prefix + "254" }
func (n *network) address(machine int) string { return fmt.Sprintf("%s%d", n.prefix, machine+1) }

// command runs on a machine; it ends with this process.
func (n *network) command(machine int, program string, args ...string) *exec.Cmd {
	c := exec.Command("ip", append([]string{"netns", "exec", n.name(machine), program}, args...)...)
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return c
}

// cut takes a machine off the network, and puts it back.
func (n *network) cut(machine int, off bool) {
	n.t.Helper()
	n.ip("link", "set", n.name(machine), map[bool]string{true: "down", false: "up"}[off])
}

// nobody has this address on the bridge.
const nobody = "02:00:00:00:00:01"

// lose has all that one machine sends to another get lost, and not what that one sends.
func (n *network) lose(from, to int, lost bool) {
	n.t.Helper()
	if lost {
		n.ip("-n", n.name(from), "neigh", "replace", n.address(to), "lladdr", nobody, "dev", "eth0", "nud", "permanent")
		return
	}
	n.ip("-n", n.name(from), "neigh", "del", n.address(to), "dev", "eth0")
}

// slow lets through 200 kbit in a second, in each direction: what has to wait for longer than
// half a second is lost.
func (n *network) slow(machine int, is bool) {
	n.t.Helper()
	for _, in := range [][]string{nil, {"-n", n.name(machine)}} {
		device := n.name(machine)
		if in != nil {
			device = "eth0"
		}
		if is {
			n.run("tc", append(in[:len(in):len(in)], strings.Fields("qdisc add dev "+device+" root tbf rate 200kbit burst 3000 latency 500ms")...)...)
		} else {
			n.run("tc", append(in[:len(in):len(in)], strings.Fields("qdisc del dev "+device+" root")...)...)
		}
	}
}

// killAll ends all that runs on a machine, at once.
func (n *network) killAll(machine int) {
	n.t.Helper()
	for {
		text, err := exec.Command("ip", "netns", "pids", n.name(machine)).Output()
		if err != nil {
			n.t.Fatal(err)
		}
		pids := strings.Fields(string(text))
		for _, pid := range pids {
			number, err := strconv.Atoi(pid)
			if err != nil {
				n.t.Fatal(err)
			}
			_ = syscall.Kill(number, syscall.SIGKILL) // or it has ended
		}
		if len(pids) == 0 {
			return
		}
		<-time.After(5 * time.Millisecond)
	}
}
