package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// shop is a copy of this very machine on which the files of docs/examples are put to
// use as they are, at the paths and under the names that stand in them.
type shop struct{ *machine }

// opened has web1.example.org serve, by nginx and PHP-FPM, club1 and club2, whose links
// relink makes, and shop, whose link somebody else does. Nothing is deployed yet. The
// links are in OPcache's keys: without a refresh a page stays what it was. Of the
// tags v1 to v3 the last is broken.
const opened = `
sed -i 's|^;pm.status_path = .*|pm.status_path = /status|; s|^pm = .*|pm = static|; s|^pm.max_children = .*|pm.max_children = 2|' /etc/php/*/fpm/pool.d/www.conf
service "$(basename /etc/init.d/php*-fpm)" start
{
	for site in club1=/srv/shop/www/club1 club2=/srv/shop/www/club2 shop=/srv/shop/current; do
		echo "server {
			listen 80; server_name ${site%%=*}.example.org; root ${site#*=}/public;
			index index.php;
			location ~ \.php\$ { fastcgi_pass unix:$(ls /run/php/php?.?-fpm.sock); include fastcgi.conf; }
		}"
	done
} >/etc/nginx/sites-enabled/default
service nginx start
useradd --create-home --shell /bin/bash deploy
install -d -o deploy /srv/git
as_deploy git init -q --bare /srv/git/shop.git
as_deploy git config --global user.name deploy
as_deploy git config --global user.email deploy@example.org
as_deploy git init -q -b main /srv/git/work
as_deploy git -C /srv/git/work remote add origin /srv/git/shop.git
as_deploy mkdir /srv/git/work/public
for tag in v1 v2 v3; do
	broken=; [ $tag != v3 ] || broken='http_response_code(500);'
	echo "<?php $broken require __DIR__ . '/../lib.php'; echo '$tag ', lib(), \"\n\";" | as_deploy tee /srv/git/work/public/index.php >/dev/null
	cat <<-'END' | as_deploy tee /srv/git/work/public/slow.php >/dev/null
		<?php touch('/run/php/began'); while (!file_exists('/run/php/end')) { usleep(10000); clearstatcache(); } echo 'ended';
	END
	echo "<?php function lib() { return '$tag'; }" | as_deploy tee /srv/git/work/lib.php >/dev/null
	as_deploy git -C /srv/git/work add .
	as_deploy env GIT_COMMITTER_DATE=2024-01-01T00:00:00Z git -C /srv/git/work commit -q -m $tag # OPcache takes no file that is new
	as_deploy git -C /srv/git/work tag $tag
done
`

// secured lets root log in to web1.example.org as deploy, as a developer or a CI job does.
const secured = `
echo 127.0.0.1 web1.example.org >>/etc/hosts
ssh-keygen -q -t ed25519 -N '' -f /root/key
install -d -m 700 -o deploy /home/deploy/.ssh
install -m 600 -o deploy /root/key.pub /home/deploy/.ssh/authorized_keys
ssh-keygen -A
mkdir -p /run/sshd
/usr/sbin/sshd -o PidFile=/run/sshd.pid
for try in $(seq 100); do # it listens only when its parent has ended
	ssh-keyscan -t ed25519 web1.example.org 2>/dev/null >/root/known && test -s /root/known && break
	sleep 0.1
done
test -s /root/known
visudo -cf /mnt/examples/sudoers/relink
install -m 440 /mnt/examples/sudoers/relink /etc/sudoers.d/
`

// keyed gives root's ssh the key, where the example does not.
const keyed = `
install -d -m 700 /root/.ssh
install -m 600 /root/key /root/.ssh/id_ed25519
install -m 644 /root/known /root/.ssh/known_hosts
`

// words are what the scripts say things with.
const words = `
as_deploy() { (cd /home/deploy; env -u GIT_CONFIG_GLOBAL HOME=/home/deploy setpriv --reuid deploy --regid deploy --init-groups "$@"); }
# page v2 club1 club2: each is asked more often than there are workers.
page() {
	local want="$1 $1" site n got
	for site in "${@:2}"; do
		for n in 1 2 3 4 5 6 7 8; do
			got=$(curl -s -H "Host: $site.example.org" http://127.0.0.1/)
			[ "$got" = "$want" ] || { echo "$site answers '$got', want '$want'"; return 1; }
		done
	done
}
# deploying COMMAND ARG...: while another deploy is in its build hook.
deploying() {
	rm -f /srv/began /srv/end
	mkfifo /srv/began /srv/end
	sed 's|^    docroot|    hooks: {build: [echo >/srv/began, cat /srv/end]}\n&|' /etc/relink/relink.yaml >/etc/relink/waits.yaml
	relink --config /etc/relink/waits.yaml deploy v1 --all --rebuild >/srv/other 2>&1 &
	timeout 30 cat /srv/began || { cat /srv/other; return 1; }
	"$@"
	timeout 30 sh -c ': >/srv/end'
	wait $!
}
# answering SITE COMMAND ARG...: while a worker is in a request, for longer than relink waits.
answering() {
	rm -f /run/php/began /run/php/end
	curl -s -H "Host: $1.example.org" http://127.0.0.1/slow.php >/dev/null &
	timeout 30 sh -c 'until [ -e /run/php/began ]; do sleep 0.02; done'
	"${@:2}"
	touch /run/php/end
	wait $!
}
# exits 5 COMMAND ARG...
exits() {
	local want=$1 status=0
	"${@:2}" || status=$?
	[ "$status" = "$want" ] || { echo "exit status $status, want $want: ${*:2}"; return 1; }
}
# says TEXT COMMAND ARG...: it succeeds and prints that.
says() {
	local out
	out=$("${@:2}" 2>&1) || { echo "$out"; return 1; }
	case $out in *"$1"*) ;; *) echo "no '$1' in: $out"; return 1 ;; esac
}
cd /mnt/examples
`

func newShop(t *testing.T, scripts ...string) shop {
	t.Helper()
	t.Parallel()
	relink, err := exec.LookPath(delivered)
	if err != nil {
		t.Fatal(err)
	}
	s := shop{newMachine(t, "/", relink, "/usr/bin/relink")}
	if err := os.CopyFS(filepath.Join(s.share, "examples"), os.DirFS("../../docs/examples")); err != nil {
		t.Fatal(err)
	}
	s.must("cat >/mnt/words <<'END'\n" + words + "END\n. /mnt/words\n" + opened)
	for _, script := range scripts {
		s.does(script)
	}
	return s
}

// does wants a script to succeed.
func (s shop) does(script string) string {
	s.t.Helper()
	return s.must(". /mnt/words\n" + script)
}
