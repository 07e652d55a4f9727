package e2e

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// machine is a Debian of its own: a copy of a root file system in memory, with
// its own processes and its own loopback, so that its servers may have port 80.
// All of it is gone when its first process ends.
type machine struct {
	t     *testing.T
	share string // a folder of this machine that is /mnt there
	to    io.WriteCloser
	from  *bufio.Reader
	runs  int
}

// blockBound is the time for one block, also on a machine that is busy.
const blockBound = 10 * time.Minute

// boot mounts, and leaves a shell behind as the first process. It runs the files
// whose names it reads, as an administrator would, and tells how each ended.
const boot = `set -e
root=$1 dir=$2 share=$3 relink=$4 place=$5 bound=$6
mount -t tmpfs tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
mount -t proc proc "$dir/root/proc"
mount --rbind /dev "$dir/root/dev"
mount --bind "$share" "$dir/root/mnt"
install -m 755 "$relink" "$dir/root$place"
ip link set lo up
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
	chroot "$dir/root" bash -c 'cd; while read -r name; do timeout --kill-after=5 '"$bound"' bash -e "$name" </dev/null >"$name.out" 2>&1; echo $?; done'`

// newMachine boots a copy of root, with the program relink at place: "/" is this very
// machine.
func newMachine(t *testing.T, root, relink, place string) *machine {
	t.Helper()
	m := &machine{t: t, share: t.TempDir()}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts",
		"sh", "-c", boot, "sh", root, t.TempDir(), m.share, relink, place, fmt.Sprint(int(blockBound.Seconds())))
	command.Stderr = os.Stderr
	to, err := command.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	from, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the kernel ends whatever is left with the first process
		cancel()
		_ = command.Wait()
	})
	m.to, m.from = to, bufio.NewReader(from)
	return m
}

// run has a shell run a script, and gives what it printed; ok tells whether it
// ended with 0.
func (m *machine) run(script string) (out string, ok bool) {
	m.t.Helper()
	m.runs++
	name := fmt.Sprintf("%02d.sh", m.runs)
	file := filepath.Join(m.share, name)
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		m.t.Fatal(err)
	}
	fmt.Fprintln(m.to, "/mnt/"+name)
	status, err := m.from.ReadString('\n')
	if err != nil {
		m.t.Fatalf("the machine has ended: %v", err)
	}
	printed, err := os.ReadFile(file + ".out")
	if err != nil {
		m.t.Fatal(err)
	}
	return string(printed), strings.TrimSpace(status) == "0"
}

// must is run for what has to succeed.
func (m *machine) must(script string) string {
	m.t.Helper()
	out, ok := m.run(script)
	if !ok {
		m.t.Fatalf("failed:\n%s\n%s", script, out)
	}
	return out
}
