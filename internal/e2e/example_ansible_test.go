//go:build packages

package e2e

import (
	"os"
	"testing"
)

// exampleAnsible has Ansible install what is in the folder, and deploy.
func exampleAnsible(t *testing.T, packages string) {
	s := newShop(t, configured, pushed, `
rm /usr/bin/relink /etc/relink/relink.yaml
: >/var/lib/dpkg/statoverride # of groups that this machine may have no more`)
	if err := os.CopyFS(s.share, os.DirFS(packages)); err != nil {
		t.Fatal(err)
	}
	s.does(`
play() { LANG=C.UTF-8 ANSIBLE_PIPELINING=1 ansible-playbook -i ansible/inventory -c local ansible/deploy.yml "$@"; }
says 'failed=0' play -e relink_package="$(ls /mnt/relink_*.deb)" -e relink_ref=v1
page v1 club1 club2
says 'version ` + newerVersion + `' relink --version
says 'changed=0 ' play -e relink_ref=v1
status=0
play -e relink_ref=v3 >/tmp/out || status=$?
[ "$status" = 2 ]
grep 'exit status 3: failed and rolled back: check: front page of club1' /tmp/out || { cat /tmp/out; false; }
page v1 club1 club2
exits 2 play -e '{"relink_config": {"appps": {}}}' >/tmp/out
grep 'appps: unknown key' /tmp/out
relink config check`)
}
