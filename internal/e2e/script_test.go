package e2e

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"relink/internal/sandbox"
	"relink/internal/schematest"

	"github.com/rogpeppe/go-internal/testscript"
)

const patience = 30 * time.Second

// place is what a script works on: a private Apache and PHP-FPM, a repository
// with the tags v1 to v3, and a configuration with the sites club1 to club3.
type place struct {
	root   string
	server *sandbox.Server
}

// site is spelled as users' paths are.
const site = "Küche und Bad"

type placeKey struct{}

func setup(env *testscript.Env) error {
	root, err := sandbox.TempRoot()
	if err != nil {
		return err
	}
	p := &place{root: root}
	env.Values[placeKey{}] = p
	env.Defer(func() {
		if p.server != nil {
			if err := p.server.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}
		os.RemoveAll(root)
	})
	env.Setenv("S", filepath.Join(root, site))
	env.Setenv("RELINK_CONFIG", filepath.Join(root, "relink.yaml"))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	return nil
}

func placeOf(ts *testscript.TestScript) *place { return ts.Value(placeKey{}).(*place) }

// raced has the script's relink be the one with the race detector: for scripts in
// which requests, a signal or another command meet it while it works.
func useRaced(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("PATH", os.Getenv(racedVariable)+":"+ts.Getenv("PATH"))
	ts.Setenv(raceOptions, os.Getenv(raceOptions))
}

// server [LINE...] starts the server; the lines are added to the application in
// the configuration, those that begin with "ini " to php.ini, and those that begin with
// "vhost " to each of Apache's virtual hosts. With "pool.d" the pool reads further
// directives from $FPM whenever it starts.
func startServer(ts *testscript.TestScript, _ bool, args []string) {
	p := placeOf(ts)
	dir := filepath.Join(p.root, site)
	ts.Check(os.MkdirAll(filepath.Join(dir, "www"), 0o755))
	makeRepository(ts, filepath.Join(dir, "repo"))
	options := sandbox.Options{
		Root:    filepath.Join(p.root, "srv"),
		Masters: []sandbox.Master{{INI: map[string]string{"opcache.file_update_protection": "0"}, Pools: []sandbox.Pool{{Name: "www", Workers: 3}}}},
	}
	settings, args := beginning("ini ", args)
	for _, setting := range settings {
		name, value, _ := strings.Cut(setting, "=")
		options.Masters[0].INI[name] = value
	}
	directives, args := beginning("vhost ", args)
	if included, others := beginning("pool.d", args); len(included) > 0 {
		options.Masters[0].Pools[0].Settings, args = map[string]string{"include": filepath.Join(p.root, "pool.*")}, others
	}
	for i := range 3 {
		name := fmt.Sprintf("club%d", i+1)
		options.Sites = append(options.Sites, sandbox.Site{Host: name, DocumentRoot: filepath.Join(dir, "www", name), Directives: directives})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := sandbox.Start(ctx, options)
	ts.Check(err)
	p.server = server
	// A folder without anything to be escaped in a URL, that PHP can write.
	ts.Setenv("FLAGS", filepath.Join(p.root, "srv", "tmp"))
	ts.Setenv("FPM", filepath.Join(p.root, "pool.conf"))
	ts.Setenv("URL", server.URL())
	ts.Check(os.WriteFile(filepath.Join(p.root, "relink.yaml"), []byte(p.configuration(dir, args)), 0o644))
}

// beginning takes out of lines those that begin so, without their beginning.
func beginning(prefix string, lines []string) (those, others []string) {
	for _, line := range lines {
		if rest, is := strings.CutPrefix(line, prefix); is {
			those = append(those, rest)
		} else {
			others = append(others, line)
		}
	}
	return those, others
}

// configuration says how the sites are asked: else each command would have every web
// server of the machine, so also those of other scripts, print its configuration.
func (p *place) configuration(dir string, extra []string) string {
	pool := p.server.Pools()[0]
	return fmt.Sprintf(`state_dir: "%[1]s/state"
pools: [{address: "%[2]s", status_path: %[3]s, agent_dir: "%[4]s"}]
timeouts: {settle: 10s, call: 5s}
apps:
  booking:
    source: {git: "%[1]s/repo"}
    releases: "%[1]s/releases"
    min_free: 1
    probe: {url: "%[5]s/", host: "{instance}"}
    instances:
      club1: "%[1]s/www/club1"
      club2: "%[1]s/www/club2"
      club3: "%[1]s/www/club3"
`, dir, pool.Address, pool.StatusPath, p.server.AgentDir(), p.server.URL()) + strings.Join(append(extra, ""), "\n")
}

// makeRepository has an entry script and an included file, each of which says
// its release.
func makeRepository(ts *testscript.TestScript, dir string) {
	ts.Check(os.MkdirAll(filepath.Join(dir, "inc"), 0o755))
	git := func(args ...string) {
		ts.Check(ts.Exec("git", append([]string{"-C", dir, "-c", "user.name=t", "-c", "user.email=t@example.org"}, args...)...))
	}
	git("init", "--quiet", "--initial-branch=main")
	for _, tag := range []string{"v1", "v2", "v3"} {
		ts.Check(os.WriteFile(filepath.Join(dir, "index.php"), []byte("<?php require __DIR__ . '/inc/part.php'; echo 'release "+tag+" part ', part(), \"\\n\";\n"), 0o644))
		ts.Check(os.WriteFile(filepath.Join(dir, "inc", "part.php"), []byte("<?php function part() { return '"+tag+"'; }\n"), 0o644))
		ts.Check(os.WriteFile(filepath.Join(dir, "slow.php"), []byte("<?php touch($_GET['began']); while (!file_exists($_GET['end'])) { usleep(10000); clearstatcache(); } echo 'slow "+tag+"';\n"), 0o644))
		git("add", ".")
		git("commit", "--quiet", "-m", "release "+tag)
		git("tag", tag)
	}
}

// pool stop|start
func controlPool(ts *testscript.TestScript, _ bool, args []string) {
	p := placeOf(ts)
	if args[0] == "stop" {
		ts.Check(p.server.StopMaster("php"))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(p.server.StartMaster(ctx, "php"))
}

// page v2 club1 club2 asks the sites, more often than there are workers.
func wantPage(ts *testscript.TestScript, _ bool, args []string) {
	for _, host := range args[1:] {
		for range 6 {
			body, err := fetch(ts.Getenv("URL")+"/index.php", host)
			ts.Check(err)
			if want := "release " + args[0] + " part " + args[0] + "\n"; body != want {
				ts.Fatalf("%s answers %q, want %q", host, body, want)
			}
		}
	}
}

func fetch(url, host string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	request.Host = host
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

// at v2 club1 club2 wants the links to lead to the release of that ref; "-" is
// no link.
func wantAt(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args[1:] {
		link := filepath.Join(ts.Getenv("S"), "www", name)
		target, err := os.Readlink(link)
		if args[0] == "-" {
			if !errors.Is(err, fs.ErrNotExist) {
				ts.Fatalf("%s is there: %s", link, target)
			}
			continue
		}
		if err != nil || !releaseName(args[0]).MatchString(target) {
			ts.Fatalf("%s leads to %q (%v), want %s", link, target, err, args[0])
		}
	}
}

// releaseName allows for the number that a second release of the same ref has
// when it is made within the same second.
func releaseName(ref string) *regexp.Regexp {
	return regexp.MustCompile(`[-/]` + regexp.QuoteMeta(ref) + `(-\d+)?(/|$)`)
}

// exits CODE COMMAND ARG... wants that exit status, and of JSON that it is as the command's
// schema says.
func wantExit(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit status %d, want %d", got, want)
	}
	if name := schemaOf(args[1:]); name != "" {
		ts.Check(schematest.Check(name, []byte(ts.ReadFile("stdout"))))
	}
}

// schemaOf is the schema of what a command prints, "" where that is no JSON.
func schemaOf(args []string) string {
	at := slices.Index(args, "--format")
	if args[0] != delivered || at < 0 || at+1 == len(args) || args[at+1] != "json" {
		return ""
	}
	for words := range 2 {
		name := schematest.Of(strings.Join(args[1:min(3-words, len(args))], " "))
		if _, err := os.Stat(schematest.File(name)); err == nil {
			return name
		}
	}
	return "error"
}

// tree FILE writes the names, kinds, links and times of all that a deploy could
// change.
func writeTree(ts *testscript.TestScript, _ bool, args []string) {
	var lines []string
	for _, root := range []string{ts.Getenv("S"), filepath.Join(placeOf(ts).root, "srv", "agent")} {
		ts.Check(filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := entry.Info()
			if err != nil {
				return err
			}
			target, _ := os.Readlink(path)
			lines = append(lines, fmt.Sprint(path, info.Mode(), info.Size(), info.ModTime(), target))
			return nil
		}))
	}
	slices.Sort(lines)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(strings.Join(lines, "\n")+"\n"), 0o644))
}

// await FILE waits until it exists.
func awaitFile(ts *testscript.TestScript, _ bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Lstat(ts.MkAbs(args[0])); err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			ts.Fatalf("%s did not appear", args[0])
		}
	}
}
