//go:build packages

package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"relink/health"
)

// The packages that the tests install, the second as an upgrade of the first.
const (
	olderVersion = "0.1.0-rc.1"
	newerVersion = "0.1.0"
)

// TestPackages installs what packaging/build makes as an administrator would, on fresh
// machines in which systemd has booted, those below RELINK_MACHINES (.ci/setup packages).
func TestPackages(t *testing.T) {
	t.Parallel()
	machines, err := filepath.Glob(filepath.Join(os.Getenv("RELINK_MACHINES"), "*-*[0-9]"))
	if err != nil || len(machines) < 2 {
		t.Fatalf("RELINK_MACHINES names no folder of root file systems: run make test-packages (%v)", err)
	}
	first, second := t.TempDir(), t.TempDir()
	buildPackages(t, checkout(t), olderVersion, first)
	buildPackages(t, checkout(t), newerVersion, second, "ARCHES="+runtime.GOARCH, "KINDS=deb rpm", "PROGRAMS=relink")
	t.Run("Built", func(t *testing.T) {
		t.Parallel() // it computes while machines boot
		built(t, first)
	})
	t.Run("Ansible", func(t *testing.T) { exampleAnsible(t, second) })
	for _, machine := range machines {
		t.Run(filepath.Base(machine), func(t *testing.T) {
			t.Parallel()
			a := &administrator{newBooted(t, machine)}
			a.put("older", first)
			a.put("newer", second)
			t.Logf("%s", a.must(`. /etc/os-release; echo "$PRETTY_NAME, systemd $(systemctl --version | sed -n '1s/systemd //p')"`))
			for _, step := range []struct {
				name string
				do   func(t *testing.T)
			}{
				{"Install", a.install}, {"FirstDeploy", a.firstDeploy}, {"Service", a.service}, {"Agent", a.agent},
				{"UpgradeWhileDeploying", a.upgradeWhileDeploying}, {"Remove", a.remove}, {"Purge", a.purge}, {"RPM", a.rpm}, {"Tarball", a.tarball},
				{"OtherMachine", a.otherMachine},
			} {
				if !t.Run(step.name, func(t *testing.T) { a.t = t; step.do(t) }) {
					t.FailNow()
				}
			}
		})
	}
}

// administrator works at a machine, and knows of relink what it prints.
type administrator struct{ *booted }

func (a *administrator) install(t *testing.T) {
	a.manual("older", "Verify")
	if said := a.manual("older", "Debian and Ubuntu#0"); !strings.Contains(said, "relink config init") {
		t.Errorf("the installation does not say what to do next:\n%s", said)
	}
	a.prints("relink --version", olderVersion)
	a.must(asInstalled + "dpkg --verify relink")
	a.prints(`source /usr/share/bash-completion/completions/relink
COMP_WORDS=(relink deploy --a) COMP_CWORD=2
_relink
echo "${COMPREPLY[@]}"`, "--all")
}

// asInstalled is what a package has done where nothing was before.
const asInstalled = `for unit in relink relink-agent; do
	test "$(systemctl is-enabled $unit)" = disabled
	test "$(systemctl is-active $unit)" = inactive
done
test "$(stat -c '%a %U:%G' /var/lib/relink/state)" = '2750 root:relink'
test -z "$(ls -A /etc/relink)"
test -s /usr/share/relink/monitoring/alerts.yml
test -s /usr/share/doc/relink/docs/monitoring/dashboard.json
`

// firstDeploy is the manual's set-up of Apache and PHP-FPM; for what is relink's, what
// it has printed is enough.
func (a *administrator) firstDeploy(t *testing.T) {
	apache := readManual(t, "apache.md")
	for _, block := range slices.Concat(apache["Apache and PHP-FPM"], apache["Sites"]) {
		a.must(block)
	}
	t.Logf("%s", a.must("php-fpm$(ls /etc/php) --version | head -n 1; apachectl -v | head -n 1"))
	a.release("v1")
	a.prints("relink config init", "club1, club2", "\n   relink config check\n   relink deploy TAG --all\n")
	a.must("sed -i 's|https://git.example.org/app.git|/srv/git/app|' /etc/relink/relink.yaml")
	a.prints("relink config check", "ok: 1 application, 2 instances, 1 pool")
	a.prints("relink deploy v1 --all", "2 of 2 instances")
	a.served("v1")
	for _, block := range apache["Real paths"] {
		a.must(block)
	}
	a.served("v1")
}

// service is what watches, under the unit's hardening: it sees what a shell of root sees.
func (a *administrator) service(t *testing.T) {
	if said := a.manual("older", "Debian and Ubuntu#1"); !strings.Contains(said, "active (running)") {
		t.Errorf("the service does not run:\n%s", said)
	}
	a.must("systemd-analyze verify relink.service 2>&1 | { ! grep -F relink; }")
	a.must("systemd-analyze security --no-pager --threshold=50 relink >/dev/null")
	shell, service := a.checks("relink --format json health || test $? -le 2"), a.checks("curl -sS http://127.0.0.1:9155/api/v1/checks")
	for about, state := range shell {
		if service[about] != state {
			t.Errorf("%s: the service says %v, relink health %v", about, service[about], state)
		}
	}
	a.prints("curl -sS http://127.0.0.1:9155/metrics", `version="`+olderVersion+`"`)
	a.prints("journalctl --quiet --unit relink --output cat", "serving interval=")
	if warned := a.must("journalctl --quiet --unit relink --priority warning"); warned != "" {
		t.Errorf("journal: %s", warned)
	}
}

// agent is a host's part in a fleet, here in one that cannot be reached.
func (a *administrator) agent(t *testing.T) {
	a.must(`(cat /etc/relink/relink.yaml; echo 'fleet: {etcd: {endpoints: ["http://127.0.0.1:2379"]}}') >/root/fleet.yaml
mkdir /etc/systemd/system/relink-agent.service.d
printf '[Service]\nEnvironment=RELINK_CONFIG=/root/fleet.yaml\n' >/etc/systemd/system/relink-agent.service.d/fleet.conf
systemctl daemon-reload
systemctl enable --quiet --now relink-agent`)
	a.must("systemd-analyze verify relink-agent.service 2>&1 | { ! grep -F relink; }")
	a.must(`until [ "$(curl -s -o /dev/null -w '%{http_code}' http://127.0.0.1:9157/readyz)" = 503 ]; do sleep 0.1; done
until journalctl --quiet --unit relink-agent --output cat | grep -qF 'what serves stays as it is'; do sleep 0.1; done`)
}

// checks gives the state of each check of each subject.
func (a *administrator) checks(command string) map[string]health.State {
	a.t.Helper()
	var report struct {
		Results []struct {
			Check, Subject string
			State          health.State
		}
	}
	if err := json.Unmarshal([]byte(a.must(command)), &report); err != nil {
		a.t.Fatal(err)
	}
	states := map[string]health.State{}
	for _, one := range report.Results {
		states[one.Check+" of "+one.Subject] = one.State
	}
	if len(states) < 10 {
		a.t.Fatalf("%s: %v", command, states)
	}
	return states
}

// upgradeWhileDeploying: a deploy that waits in its build goes on as it began, visitors
// notice nothing, and the service is the new one.
func (a *administrator) upgradeWhileDeploying(t *testing.T) {
	a.release("v2")
	a.must(`mkfifo /run/began /run/go
sed -i 's|^    releases: .*|&\n    hooks: {build: ["echo began >/run/began; read -r go </run/go"]}|' /etc/relink/relink.yaml
relink config check
cat >/run/visit <<'END'
while [ ! -e /run/enough ]; do
	for host in club1 club2; do curl -s -o /dev/null -w '%{http_code}\n' -H "Host: $host.example.org" http://127.0.0.1/; done
	sleep 0.02
done >/run/statuses
END
systemd-run --quiet --unit visitors bash /run/visit`)
	services := []string{"relink", "relink-agent"}
	before := map[string]string{}
	for _, service := range services {
		before[service] = a.must("systemctl show --property MainPID " + service)
	}
	deploy := a.command("relink deploy v2 --all")
	var said bytes.Buffer
	deploy.Stdout, deploy.Stderr = &said, &said
	if err := deploy.Start(); err != nil {
		t.Fatal(err)
	}
	a.prints("read -r line </run/began; echo $line", "began")
	a.manual("newer", "Upgrade")
	for _, service := range services {
		if after := a.must("systemctl is-active --quiet " + service + "; systemctl show --property MainPID " + service); after == before[service] {
			t.Errorf("%s is still %s", service, after)
		}
	}
	a.prints("curl -sS http://127.0.0.1:9155/metrics", `version="`+newerVersion+`"`)
	a.must("echo go >/run/go")
	if err := deploy.Wait(); err != nil {
		t.Fatalf("deploy: %v\n%s", err, said.String())
	}
	a.served("v2")
	a.must("touch /run/enough; until ! systemctl is-active --quiet visitors; do sleep 0.1; done")
	if statuses := strings.Fields(a.must("sort /run/statuses | uniq -c")); len(statuses) != 2 || statuses[1] != "200" {
		t.Errorf("visitors got %v", statuses)
	}
	a.prints("relink history", "v1")
	a.must("sed -i '/^    hooks:/d' /etc/relink/relink.yaml; relink rollback --all")
	a.served("v1")
}

func (a *administrator) remove(t *testing.T) {
	stands := a.must(whatStands)
	a.manual("newer", "Remove")
	a.must(asRemoved)
	a.stillStands(stands)
	a.manual("newer", "Debian and Ubuntu")
	a.prints("relink history", "v2")
	a.must("systemctl stop relink; dpkg --install /mnt/newer/relink_*_linux_" + runtime.GOARCH + ".deb") // an upgrade, too
	a.must(`for unit in relink relink-agent; do test "$(systemctl is-active $unit)" = inactive; done; systemctl start relink`)
}

// asRemoved is what a removal has done, and what it has left.
const asRemoved = `for unit in relink relink-agent; do
	test "$(systemctl is-active $unit)" = inactive
	test ! -e /etc/systemd/system/multi-user.target.wants/$unit.service
done
test ! -e /usr/bin/relink
test -d /var/lib/relink/state/history
test -s /etc/relink/relink.yaml
`

func (a *administrator) purge(t *testing.T) {
	stands := a.must(whatStands)
	a.must("cp /etc/relink/relink.yaml /root/")
	a.manual("newer", "Purge")
	a.must(`test "$(systemctl is-active relink)" = inactive
test "$(ls /var/lib/relink)" = app.map
test ! -e /etc/relink`)
	a.stillStands(stands)
	a.must("service apache2 restart")
	a.stillStands(stands)
}

// rpm is the same from the .rpm, by Debian's rpm with a database of its own.
func (a *administrator) rpm(t *testing.T) {
	rpm := func(how, folder string) string {
		return "rpm " + how + " --nodeps /mnt/" + folder + "/relink_*_linux_" + runtime.GOARCH + ".rpm"
	}
	a.must("apt-get -q -y install rpm")
	a.prints(rpm("--install", "older"), "relink config init", "systemctl enable")
	a.prints("relink --version", olderVersion)
	a.must(asInstalled + "rpm --verify relink")
	a.must("cp /root/relink.yaml /etc/relink/; systemctl enable --quiet --now relink; relink deploy v1 --all")
	before := a.must("systemctl show --property MainPID relink")
	a.must(rpm("--upgrade", "newer"))
	if after := a.must("systemctl is-active --quiet relink; systemctl show --property MainPID relink"); after == before {
		t.Errorf("the service is still %s", after)
	}
	a.prints("curl -sS http://127.0.0.1:9155/metrics", `version="`+newerVersion+`"`)
	a.must(`test "$(systemctl is-active relink-agent)" = inactive
systemctl is-enabled --quiet relink`)
	stands := a.must(whatStands)
	a.must("rpm --erase relink\n" + asRemoved)
	a.stillStands(stands)
	a.must("rm -r /etc/relink /var/lib/relink/state")
}

// tarball does by hand what the package does.
func (a *administrator) tarball(t *testing.T) {
	a.manual("newer", "From the tarball")
	a.must("install -D -m 644 /root/relink.yaml /etc/relink/relink.yaml; systemctl enable --quiet --now relink")
	a.prints("relink --version", newerVersion)
	a.prints("curl -sS http://127.0.0.1:9155/metrics", `version="`+newerVersion+`"`)
	a.must("relink deploy v2 --all")
	a.served("v2")
}

// emulators run a program of the machine.
var emulators = map[string]string{"amd64": "qemu-x86_64-static", "arm64": "qemu-aarch64-static"}

// otherMachine deploys with the binary for the machine that this one is not, emulated.
func (a *administrator) otherMachine(t *testing.T) {
	other := map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	emulator, err := exec.LookPath(emulators[other])
	if err != nil {
		t.Fatal(err)
	}
	says(t, "", "", "install", "-m", "755", emulator, filepath.Join(a.share, "emulator"))
	a.must("tar -C /run -xzf /mnt/older/relink_*_linux_" + other + ".tar.gz")
	relink := "/mnt/emulator /run/relink_" + olderVersion + "_linux_" + other + "/relink "
	a.prints(relink+"--version", olderVersion)
	a.prints(relink+"config check --probe", "ok: 1 application", "club2: resolved")
	a.must(relink + "rollback --all")
	a.served("v1")
	a.must(relink + "deploy v2 --all")
	a.served("v2")
	a.prints(relink+"opcache report", "live scripts")
}

// manual runs the blocks of a chapter of docs/install.md in a folder with the files;
// only one of them where "#" and its number follow.
func (a *administrator) manual(folder, chapter string) (said string) {
	a.t.Helper()
	chapter, number, one := strings.Cut(chapter, "#")
	blocks := readManual(a.t, "install.md")[chapter]
	if len(blocks) == 0 {
		a.t.Fatalf("install.md has no steps under %q", chapter)
	}
	for i, block := range blocks {
		if !one || number == fmt.Sprint(i) {
			said += a.must("cd /mnt/" + folder + "\n" + strings.ReplaceAll(block, "amd64", runtime.GOARCH))
		}
	}
	return said
}

// whatStands tells what a removal has to leave: links, releases and what Apache reads.
const whatStands = `readlink /var/www/club1 /var/www/club2
find /srv/releases -printf '%p %s %i %T@\n' | sort
cat /var/lib/relink/app.map`

func (a *administrator) stillStands(before string) {
	a.t.Helper()
	if now := a.must(whatStands); now != before {
		a.t.Errorf("now\n%s\nbefore\n%s", now, before)
	}
	a.served("v1")
}

func (a *administrator) served(tag string) {
	a.t.Helper()
	for _, host := range []string{"club1.example.org", "club2.example.org"} {
		if page := a.must("curl -s -H 'Host: " + host + "' http://127.0.0.1/"); page != tag+" for "+host+"\n" {
			a.t.Errorf("%s answers %q", host, page)
		}
	}
}

// prints runs what has to succeed and to print all that is wanted.
func (a *administrator) prints(script string, wanted ...string) {
	a.t.Helper()
	out := a.must(script)
	for _, want := range wanted {
		if !strings.Contains(out, want) {
			a.t.Errorf("%s does not print %q:\n%s", script, want, out)
		}
	}
}

// release tags a version of the application.
func (a *administrator) release(tag string) {
	a.t.Helper()
	a.must(`mkdir -p /srv/git/app/public; cd /srv/git/app; git init -q -b main .
echo '<?php echo "` + tag + ` for ", $_SERVER["HTTP_HOST"], "\n";' > public/index.php
git add .
git -c user.name=me -c user.email=me@example.org commit -q -m ` + tag + `
git tag ` + tag)
}
