//go:build packages

package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// booted is a server of its own: a copy of a root file system in memory, in which
// systemd has booted, with processes, control groups and a loopback of its own, so that
// its servers may have port 80. All of it is gone when its first process ends.
type booted struct {
	t     *testing.T
	share string        // a folder of this machine that is /mnt there
	init  int           // the pid, here, of its first process
	from  *net.UnixConn // what its systemd tells a container's manager
	runs  int
}

// bootBound is the time to boot, and to end, also on a machine that is busy.
const bootBound = 3 * time.Minute

// inContainer mounts what systemd expects of a container, tells the pid and becomes systemd,
// which cannot change this machine's kernel, modules and clock.
const inContainer = `set -e
root=$1 dir=$2 share=$3
mount -t tmpfs tmpfs "$dir"
mkdir "$dir/upper" "$dir/work" "$dir/root"
mount -t overlay overlay -o "lowerdir=$root,upperdir=$dir/upper,workdir=$dir/work" "$dir/root"
cd "$dir/root"
mount --bind "$share" mnt
read -r pid rest </proc/self/stat
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs run
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
	touch dev/$device
	mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts dev/pts
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ip link set lo up
echo "$pid"
mkdir run/outside
pivot_root . run/outside
cd /
exec env -i container=test NOTIFY_SOCKET=/mnt/booted PATH=/usr/sbin:/usr/bin:/sbin:/bin \
	setpriv --bounding-set -sys_module,-sys_rawio,-sys_time \
	sh -c 'umount -l /run/outside && rmdir /run/outside && exec /lib/systemd/systemd' >/dev/null`

// newBooted is a copy of root that has booted.
func newBooted(t *testing.T, root string) *booted {
	t.Helper()
	b := begin(t, root)
	b.await()
	return b
}

// begin has a copy of root boot.
func begin(t *testing.T, root string) *booted {
	t.Helper()
	b := &booted{t: t, share: t.TempDir()}
	var err error
	if b.from, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(b.share, "booted"), Net: "unixgram"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, "unshare", "--mount", "--propagation", "private", "--pid", "--fork", "--kill-child", "--net", "--ipc", "--uts", "--cgroup",
		"sh", "-c", inContainer, "sh", root, t.TempDir(), b.share)
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: newGroup(t)}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // the kernel ends whatever is left with the first process, before that has ended
		defer cancel()
		defer time.AfterFunc(bootBound, cancel).Stop()
		if b.init > 0 {
			_ = syscall.Kill(b.init, syscall.SIGKILL)
		} else {
			cancel()
		}
		_ = command.Wait()
	})
	if _, err := fmt.Fscanln(out, &b.init); err != nil {
		t.Fatalf("the machine has no first process: %v", err)
	}
	return b
}

// await waits until all units which are wanted at boot have been started. Who does not read
// what systemd tells after that would have it wait.
func (b *booted) await() {
	b.t.Helper()
	defer b.from.Close()
	if err := b.from.SetReadDeadline(time.Now().Add(bootBound)); err != nil {
		b.t.Fatal(err)
	}
	told := make([]byte, 4096)
	for {
		n, err := b.from.Read(told)
		if err != nil {
			b.t.Fatalf("the machine has not booted: %v", err)
		}
		if bytes.Contains(append([]byte("\n"), told[:n]...), []byte("\nREADY=1")) {
			return
		}
	}
}

// newGroup makes the control group that is a machine's root of all of its groups.
func newGroup(t *testing.T) (fd int) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 2 && fields[2] == "cgroup2" {
			return groupBelow(t, fields[1])
		}
	}
	t.Fatal("no cgroup2 is mounted here: mount -t cgroup2 cgroup2 FOLDER")
	return 0
}

func groupBelow(t *testing.T, folder string) (fd int) {
	t.Helper()
	group, err := os.MkdirTemp(folder, "relink-test-")
	if err != nil {
		t.Fatal(err)
	}
	opened, err := os.Open(group)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		opened.Close()
		removeGroup(t, group)
	})
	return int(opened.Fd())
}

func removeGroup(t *testing.T, group string) {
	t.Helper()
	var folders []string
	if err := filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append([]string{path}, folders...) // the inner ones first
		}
		return err
	}); err != nil {
		t.Error(err)
	}
	for _, folder := range folders {
		if err := os.Remove(folder); err != nil {
			t.Error(err)
		}
	}
}

// run has a shell of root run a script, and gives what it printed; ok tells whether it
// ended with 0.
func (b *booted) run(script string) (out string, ok bool) {
	b.t.Helper()
	printed, err := b.command(script).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	return string(printed), err == nil
}

// command is a script there.
func (b *booted) command(script string) *exec.Cmd {
	b.t.Helper()
	b.runs++
	name := fmt.Sprintf("%02d.sh", b.runs)
	if err := os.WriteFile(filepath.Join(b.share, name), []byte(script), 0o644); err != nil {
		b.t.Fatal(err)
	}
	return exec.Command("nsenter", "--target", fmt.Sprint(b.init), "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd",
		"env", "-i", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8", "DEBIAN_FRONTEND=noninteractive",
		"timeout", "--kill-after=5", fmt.Sprint(int(blockBound.Seconds())), "bash", "-c", "cd; exec bash -e /mnt/"+name)
}

// must is run for what has to succeed.
func (b *booted) must(script string) string {
	b.t.Helper()
	out, ok := b.run(script)
	if !ok {
		b.t.Fatalf("failed:\n%s\n%s", script, out)
	}
	return out
}

// put makes a copy of a folder at /mnt/name there.
func (b *booted) put(name, folder string) {
	b.t.Helper()
	if err := os.CopyFS(filepath.Join(b.share, name), os.DirFS(folder)); err != nil {
		b.t.Fatal(err)
	}
}
