package e2e

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"relink/internal/exit"

	"github.com/goccy/go-yaml"
)

// others has no application in relink's configuration.
const others = `
install -d /etc/relink
echo "timeouts: {settle: 1s}" >/etc/relink/relink.yaml
install -d -o deploy /srv/shop /srv/shop/releases
`

// configured is the server of those who let relink deploy.
const configured = `
install -D -m 644 relink.yaml /etc/relink/relink.yaml
echo "timeouts: {settle: 1s}" >>/etc/relink/relink.yaml
install -d /srv/shop/www
git config --system --add safe.directory /srv/git/shop.git
`

const pushed = `as_deploy git -C /srv/git/work push -q origin main v1 v2 v3
`

func TestExamplePostReceive(t *testing.T) {
	s := newShop(t, secured, configured, `
install -m 755 -o deploy git/post-receive /srv/git/shop.git/hooks/
as_deploy git -C /srv/git/work push -q origin main 2>&1 | { ! grep .; }`)
	s.does(`
push() { as_deploy git -C /srv/git/work push origin "$@"; }
says 'remote: deployed: v1 is live' push v1
page v1 club1 club2
says 'remote: deployed: v2 is live' push v2
says 'remote: NOT deployed: v3 failed its checks' push v3
page v2 club1 club2
push --delete v1 v2
says 'remote: deployed: v2 is live' push v1 v2
page v2 club1 club2
push --delete v2
says 'remote: NOT deployed: another deploy is at work' deploying push v2
page v1 club1 club2`)
	// Who pushes goes away: the deploy does not.
	s.does(`
as_deploy sh -c 'echo "x 1 refs/tags/v2" | /srv/git/shop.git/hooks/post-receive' 2>&1 | true
page v2 club1 club2`)
}

func TestExampleCron(t *testing.T) {
	s := newShop(t, configured, `
install -m 755 cron/deploy-newest-tag /usr/local/bin/
as_deploy git -C /srv/git/work tag v10-rc1
as_deploy git -C /srv/git/work tag v1.10 v2
as_deploy git -C /srv/git/work push -q origin main v1 v10-rc1`)
	// A line of cron.d has a user, one that crontab checks has none.
	s.does(`
sed 's,^\(\*/5.*\) root ,\1 ,' cron/relink-deploy >/tmp/crontab
crontab -n /tmp/crontab
line=$(sed -n 's,^\*/5 \* \* \* \* root ,,p' cron/relink-deploy)
case $line in *%*) echo "cron ends the line at %: $line"; exit 1 ;; esac
cron() { env -i SHELL=/bin/sh HOME=/root LOGNAME=root $(grep -h ^PATH= cron/relink-deploy) sh -c "cd; $line"; }
quietly() { local out; out=$("$@" 2>&1) || return; [ -z "$out" ] || { echo "mail: $out"; return 1; }; }
quietly cron
page v1 club1 club2
as_deploy git -C /srv/git/work push -q origin v1.10
deploying quietly cron
as_deploy git -C /srv/git/work push -q origin v2
quietly cron
page v2 club1 club2
relink rollback --all >/dev/null 2>&1
quietly cron
as_deploy git -C /srv/git/work push -q origin v3
! says 'exit status 3 of: relink deploy v3 --app shop --all' cron
quietly cron`)
}

func TestExampleScript(t *testing.T) {
	s := newShop(t, pushed, others, `
for tag in v1 v2; do mkdir /srv/$tag; git -c safe.directory='*' -C /srv/git/shop.git archive $tag | tar -xC /srv/$tag; done`)
	s.does(`
script/deploy /srv/v1
page v1 shop
first=$(readlink /srv/shop/current)
script/deploy /srv/v2
page v2 shop
ln -sfn "$first" /srv/shop/current # what the page would be without relink
page v2 shop
answering shop exits 4 script/deploy /srv/v1
relink opcache refresh --from "$first" --to "$(readlink /srv/shop/current)" --link /srv/shop/current
page v1 shop`)
}

func TestExampleRsync(t *testing.T) {
	s := newShop(t, secured, keyed, configured, pushed, `
sed -i 's|source: .*|source: {dir: "/srv/shop/incoming/{ref}"}|' /etc/relink/relink.yaml
install -d -o deploy /srv/shop/incoming
umask 077
for tag in v1 v2; do mkdir /srv/$tag; git -c safe.directory='*' -C /srv/git/shop.git archive $tag | tar -xC /srv/$tag; done`)
	s.does(`
rsync/deploy v1 /srv/v1
page v1 club1 club2
rsync/deploy v2 /srv/v2
page v2 club1 club2
deploying exits 5 rsync/deploy v1 /srv/v1
exits 2 rsync/deploy 'v1;id' /srv/v1`)
}

func TestExampleCapistrano(t *testing.T) {
	s := newShop(t, secured, keyed, pushed, others)
	s.does(`
cd capistrano
TAG=v1 cap production deploy
page v1 shop
TAG=v2 cap production deploy
page v2 shop
TAG=v2 cap production deploy:rollback
page v1 shop`)
	if out, ok := s.run(`. /mnt/words
cd capistrano
answering shop env TAG=v2 cap production deploy`); ok {
		t.Errorf("a refresh that is not done ends as if it were:\n%s", out)
	}
}

// workflow is what a test runs of a file of GitHub Actions.
type workflow struct {
	Jobs map[string]struct {
		Env   map[string]string
		Steps []struct {
			Env map[string]string
			Run string
		}
	}
}

// expression is where GitHub puts a value in.
var expression = regexp.MustCompile(`\$\{\{ *(\S+) *\}\}`)

// script is a job as GitHub runs it, each step by a bash of its own, with its own
// environment. The values of expressions are words of the shell.
func (w workflow) script(job string, values map[string]string) string {
	script, variables := "", func(env map[string]string) (list string) {
		for _, name := range slices.Sorted(maps.Keys(env)) {
			list += " " + name + "=" + expression.ReplaceAllStringFunc(env[name], func(found string) string {
				return values[expression.FindStringSubmatch(found)[1]]
			})
		}
		return list
	}
	for i, step := range w.Jobs[job].Steps {
		file := fmt.Sprintf("/root/step%d", i)
		script += fmt.Sprintf("cat >%s <<'END OF STEP'\n%s\nEND OF STEP\nenv GITHUB_STEP_SUMMARY=/root/summary%s%s bash --noprofile --norc -eo pipefail %s\n",
			file, step.Run, variables(w.Jobs[job].Env), variables(step.Env), file)
	}
	return script
}

func readYAML(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("../../docs/examples", file))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(data, into); err != nil {
		t.Fatal(err)
	}
}

func TestExampleGitHub(t *testing.T) {
	var w workflow
	readYAML(t, "github/deploy.yml", &w)
	s := newShop(t, secured, configured, pushed, `install -m 700 -d /root/.ssh`)
	for name, job := range w.Jobs {
		for _, step := range job.Steps {
			if expression.MatchString(step.Run) {
				t.Errorf("job %s puts a value into a script: %s", name, step.Run)
			}
		}
		for file, tag := range map[string]string{"v1": "v1", "v2": "v2", "v3": "v3", "hostile": "'v2;touch$IFS/root/in'"} {
			s.does("cat >/root/" + file + " <<'END OF JOB'\nset -e\n" + w.script(name, map[string]string{
				"github.ref_name": tag, "secrets.DEPLOY_KEY": `"$(cat /root/key)"`, "vars.KNOWN_HOSTS": `"$(cat /root/known)"`,
			}) + "END OF JOB\n")
		}
	}
	s.does(`
cd /root
says 'exit 0, cut-over' bash v1
page v1 club1 club2
answering club1 says '::warning::v2 is live' bash v2
relink recover
page v2 club1 club2
grep 'exit 4' summary
grep 'told to end with the request' summary
exits 3 bash v3 >out
grep '::error::v3 failed its checks' out
page v2 club1 club2
deploying exits 5 bash v1 >out
grep '::error::another deploy is at work' out
exits 2 bash hostile
[ ! -e in ]`)
}

func TestExampleGitLab(t *testing.T) {
	var jobs map[string]struct {
		Script       []string
		BeforeScript []string `yaml:"before_script"`
		AfterScript  []string `yaml:"after_script"`
		Variables    map[string]string
		AllowFailure struct {
			ExitCodes []int `yaml:"exit_codes"`
		} `yaml:"allow_failure"`
		Retry struct {
			ExitCodes []int `yaml:"exit_codes"`
		}
	}
	readYAML(t, "gitlab/gitlab-ci.yml", &jobs)
	job := jobs["deploy"]
	if !slices.Equal(job.AllowFailure.ExitCodes, []int{exit.Unverified}) || !slices.Equal(job.Retry.ExitCodes, []int{exit.Locked}) {
		t.Errorf("allowed to fail with %d, tried again after %d", job.AllowFailure.ExitCodes, job.Retry.ExitCodes)
	}
	s := newShop(t, secured, configured, pushed, `mkdir /root/build`)
	// As GitLab's runner does: one bash for before_script and script, another one after it.
	script := "cd /root/build\nset -eo pipefail\nexport DEPLOY_KEY=/root/key KNOWN_HOSTS=/root/known\n"
	for name, value := range job.Variables {
		script += fmt.Sprintf("export %s=%s\n", name, value)
	}
	script += strings.Join(append(job.BeforeScript, job.Script...), "\n")
	s.does("chmod 666 /root/key\ncat >/root/job <<'END OF JOB'\n" + script + "\nEND OF JOB\ncat >/root/after <<'END OF JOB'\ncd /root/build\n" + strings.Join(job.AfterScript, "\n") + "\nEND OF JOB\n")
	s.does(`
run() { local status=0; CI_COMMIT_TAG=$1 bash /root/job || status=$?; bash /root/after; [ ! -e /root/build/key ]; return "$status"; }
says '"exit": 0' run v1
page v1 club1 club2
answering club1 exits 4 run v2
relink recover
page v2 club1 club2
exits 3 run v3
page v2 club1 club2
deploying exits 5 run v1
jq -e '.exit == 5' /root/build/report.json`)
}

// Deployer is not among Debian's packages: a stand-in runs the recipe on the server.
func TestExampleDeployer(t *testing.T) {
	s := newShop(t, secured, keyed, pushed, others)
	if err := os.CopyFS(filepath.Join(s.share, "deployer"), os.DirFS("testdata/deployer")); err != nil {
		t.Fatal(err)
	}
	s.does(`
php -l deployer/deploy.php
dep() { TAG=$1 php -d include_path=/mnt/deployer -d display_errors=stderr deployer/deploy.php "$2"; }
dep v1 deploy
page v1 shop
dep v2 deploy
page v2 shop
dep v2 rollback
page v1 shop
answering shop exits 255 dep v2 deploy >/tmp/out 2>&1
grep 'exit status 4: /usr/bin/sudo -n /usr/bin/relink opcache refresh --from /srv/shop/releases/1 --to /srv/shop/releases/3' /tmp/out || { cat /tmp/out; false; }`)
}
