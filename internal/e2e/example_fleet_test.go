//go:build packages

package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// readied is a host of the example before Ansible has been there: nginx and PHP-FPM serve two
// sites whose links relink makes, and root of web1 may log in.
const readied = `
hostname web%[1]d
for n in 1 2 3; do echo "192.0.2.1$n web$n.example.org" >>/etc/hosts; done
install -d -m 700 /root/.ssh
install -m 600 /mnt/key/key.pub /root/.ssh/authorized_keys
ssh-keygen -A
: >/var/lib/dpkg/statoverride # of groups that this machine may have no more
systemctl disable --now etcd
rm -rf /var/lib/etcd/default
sed -i 's|^;pm.status_path = .*|pm.status_path = /status|; s|^pm = .*|pm = static|; s|^pm.max_children = .*|pm.max_children = 2|' /etc/php/*/fpm/pool.d/www.conf
install -d /srv/shop/www
for site in club1 club2; do
	echo "server {
		listen 80; server_name $site.example.org; root /srv/shop/www/$site/public;
		index index.php;
		location ~ \.php\$ { fastcgi_pass unix:$(ls /run/php/php?.?-fpm.sock); include fastcgi.conf; }
	}"
done >/etc/nginx/sites-enabled/default
systemctl restart ssh nginx "$(basename /etc/init.d/php*-fpm)"
`

// offered has web1 offer the application by git's own protocol, and run Ansible.
const offered = `
install -m 600 /mnt/key/key /root/.ssh/id_ed25519
install -d /srv/git
git init -q --bare /srv/git/shop.git
git init -q -b main /srv/work
cd /srv/work
git config user.name deploy
git config user.email deploy@example.org
mkdir public
for tag in v1 v2; do
	echo "<?php echo '$tag', \"\n\";" >public/index.php
	git add .
	GIT_COMMITTER_DATE=2024-01-01T00:00:00Z git commit -q -m $tag # OPcache takes no file that is new
	git tag $tag
done
git push -q /srv/git/shop.git main v1 v2
git daemon --base-path=/srv/git --export-all --reuseaddr --detach
mkdir -p /srv/package/DEBIAN /srv/package/usr/bin /srv/package/usr/lib/systemd/system
install -m 755 /mnt/program/relink /srv/package/usr/bin/
sed 's,/usr/local/bin/,/usr/bin/,' /mnt/program/relink-agent.service >/srv/package/usr/lib/systemd/system/relink-agent.service
printf '%s\n' 'Package: relink' 'Version: 0.1.0' "Architecture: $(dpkg --print-architecture)" 'Maintainer: nobody <nobody@example.org>' 'Description: one PHP release for many sites' >/srv/package/DEBIAN/control
dpkg-deb -Znone -b /srv/package /srv/relink.deb
`

// TestExampleAnsibleFleet has Ansible, by SSH, make a fleet of three machines in which systemd has
// booted: copies of this one, with a network between them.
func TestExampleAnsibleFleet(t *testing.T) {
	t.Parallel()
	key, program := t.TempDir(), t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(key, "key")).Run())
	relink, err := exec.LookPath(delivered)
	must(err)
	for from, to := range map[string]string{relink: "relink", "../../docs/relink-agent.service": "relink-agent.service"} {
		text, err := os.ReadFile(from)
		must(err)
		must(os.WriteFile(filepath.Join(program, to), text, 0o755))
	}
	var hosts []*booted
	for range 3 {
		hosts = append(hosts, begin(t, "/"))
	}
	for i, b := range hosts {
		b.await()
		b.put("key", key)
		b.must(fmt.Sprintf(readied, i+1))
	}
	first := hosts[0]
	first.must("ip link add br0 type bridge && ip addr add 192.0.2.11/24 dev br0 && ip link set br0 up")
	for i, b := range hosts[1:] {
		port := fmt.Sprint("to", i+2)
		must(exec.Command("ip", "link", "add", port, "netns", fmt.Sprint(first.init), "type", "veth", "peer", "name", "eth0", "netns", fmt.Sprint(b.init)).Run())
		first.must("ip link set " + port + " master br0 up")
		b.must(fmt.Sprintf("ip addr add 192.0.2.1%d/24 dev eth0 && ip link set eth0 up", i+2))
	}
	first.put("program", program)
	first.put("ansible", "../../docs/examples/ansible")
	first.must(offered)

	play := func(arguments string) (recap string) {
		t.Helper()
		out := first.must("cd /mnt/ansible && ANSIBLE_HOST_KEY_CHECKING=False ANSIBLE_PIPELINING=1 ansible-playbook -i inventory-fleet fleet.yml " + arguments)
		_, recap, _ = strings.Cut(out, "PLAY RECAP")
		return recap
	}
	page := func(want string) {
		t.Helper()
		for n := range 3 {
			for _, site := range []string{"club1", "club2"} {
				if got := first.must(fmt.Sprintf("curl -s -H Host:%s.example.org http://192.0.2.1%d/", site, n+1)); got != want+"\n" {
					t.Errorf("%s of web%d answers %q, want %s", site, n+1, got, want)
				}
			}
		}
	}
	play("-e relink_package=/srv/relink.deb -e relink_ref=v1")
	page("v1")
	if recap := play("-e relink_ref=v1"); strings.Count(recap, "changed=0 ") != 3 {
		t.Errorf("a run for what is live has changed something:\n%s", recap)
	}
	play("-e relink_ref=v2")
	page("v2")
	for name, secret := range map[string]string{"etcd asks nobody for a certificate": "curl -sk --max-time 5 https://192.0.2.11:2379/health", "a key can be read": "setpriv --reuid nobody --clear-groups cat /etc/relink/fleet/host.key"} {
		if said, ok := first.run(secret); ok {
			t.Errorf("%s: %s", name, said)
		}
	}
}
