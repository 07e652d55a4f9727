package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"relink/internal/sandbox"

	"github.com/rogpeppe/go-internal/testscript"
)

// farm [masters|revalidated] starts a server whose sites club1 to club3 are links
// that relink has not made, to releases that it has not made: v1 of v1 to v3. With
// two masters the second has no site; revalidated looks at no literal paths.
func startFarm(ts *testscript.TestScript, _ bool, args []string) {
	p := placeOf(ts)
	dir := filepath.Join(p.root, site)
	ts.Check(os.MkdirAll(filepath.Join(dir, "www"), 0o755))
	for _, version := range []string{"v1", "v2", "v3"} {
		writePlain(ts, filepath.Join(dir, "releases", version), version)
	}
	master := func(name, pool string) sandbox.Master {
		return sandbox.Master{Name: name, INI: map[string]string{"opcache.file_update_protection": "0"},
			Settings: map[string]string{"process_control_timeout": "10s"}, Pools: []sandbox.Pool{{Name: pool, Workers: 3}}}
	}
	options := sandbox.Options{Root: filepath.Join(p.root, "srv"), Masters: []sandbox.Master{master("php", "www")}}
	if len(args) > 0 && args[0] == "masters" {
		options.Masters = append(options.Masters, master("other", "other"))
	}
	if len(args) > 0 && args[0] == "revalidated" {
		options.Masters[0].INI["opcache.revalidate_path"] = "1"
	}
	for i := range 3 {
		name := fmt.Sprintf("club%d", i+1)
		leadLink(ts, name, "v1")
		options.Sites = append(options.Sites, sandbox.Site{Host: name, DocumentRoot: filepath.Join(dir, "www", name)})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := sandbox.Start(ctx, options)
	ts.Check(err)
	p.server = server
	ts.Setenv("FLAGS", filepath.Join(p.root, "srv", "tmp"))
	ts.Setenv("URL", server.URL())
	text := p.configuration(dir, nil)
	if len(options.Masters) > 1 {
		second := server.Pool("other")
		text = strings.Replace(text, "pools: [", fmt.Sprintf("pools: [{address: %q, status_path: %s, agent_dir: %q}, ", second.Address, second.StatusPath, server.AgentDir()), 1)
	}
	ts.Check(os.WriteFile(filepath.Join(p.root, "relink.yaml"), []byte(text), 0o644))
}

// writePlain is a release with a page, what it includes, pages that nobody asks
// for at first, and one that waits.
func writePlain(ts *testscript.TestScript, dir, version string) {
	files := map[string]string{
		"index.php":    "<?php require __DIR__ . '/inc/part.php'; echo 'release " + version + " part ', part(), \"\\n\";\n",
		"inc/part.php": "<?php function part() { return '" + version + "'; }\n",
		"late.php":     "<?php echo 'late " + version + "';\n",
		"slow.php":     "<?php touch($_GET['began']); while (!file_exists($_GET['end'])) { usleep(10000); clearstatcache(); } echo 'slow " + version + "';\n",
	}
	for name, text := range files {
		path := filepath.Join(dir, name)
		ts.Check(os.MkdirAll(filepath.Dir(path), 0o755))
		ts.Check(os.WriteFile(path, []byte(text), 0o644))
	}
}

// lead v2 club1 club2 moves links as any script does: ln -sfn beside, and mv -T.
func leadLinks(ts *testscript.TestScript, _ bool, args []string) {
	for _, name := range args[1:] {
		leadLink(ts, name, args[0])
	}
}

func leadLink(ts *testscript.TestScript, name, release string) {
	dir := filepath.Join(placeOf(ts).root, site)
	link := filepath.Join(dir, "www", name)
	ts.Check(ts.Exec("ln", "-sfn", filepath.Join(dir, "releases", release), link+".new"))
	ts.Check(ts.Exec("mv", "-T", link+".new", link))
}

// master stop|start NAME
func controlMaster(ts *testscript.TestScript, _ bool, args []string) {
	p := placeOf(ts)
	if args[0] == "stop" {
		ts.Check(p.server.StopMaster(args[1]))
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	ts.Check(p.server.StartMaster(ctx, args[1]))
}

// says 'late v1' /late.php club1 club2 asks more often than there are workers.
func wantPath(ts *testscript.TestScript, _ bool, args []string) {
	for _, host := range args[2:] {
		for range 6 {
			body, err := fetch(ts.Getenv("URL")+args[1], host)
			ts.Check(err)
			if body != args[0] {
				ts.Fatalf("%s%s answers %q, want %q", host, args[1], body, args[0])
			}
		}
	}
}

// pids FILE writes the pids of the first pool's workers.
func writePIDs(ts *testscript.TestScript, _ bool, args []string) {
	pids, err := placeOf(ts).server.WorkerPIDs("")
	ts.Check(err)
	slices.Sort(pids)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), fmt.Appendln(nil, pids), 0o644))
}

// nobody CODE ARG... runs relink as a user who may use the pool and may not
// signal its master, wants that exit status, and keeps the output for stdout
// and stderr of "exec cat".
func asNobody(ts *testscript.TestScript, _ bool, args []string) {
	const nobody = 65534
	p := placeOf(ts)
	state := filepath.Join(p.root, site, "state")
	ts.Check(os.MkdirAll(state, 0o755))
	ts.Check(os.Chown(state, nobody, nobody))
	socket := strings.TrimPrefix(p.server.Pool("").Address, "unix:")
	ts.Check(os.Chmod(socket, 0o666))
	binary, err := exec.LookPath(delivered)
	ts.Check(err)
	own := filepath.Join(p.root, delivered)
	ts.Check(ts.Exec("cp", binary, own))
	for dir := filepath.Dir(socket); strings.HasPrefix(dir, p.root); dir = filepath.Dir(dir) {
		ts.Check(os.Chmod(dir, 0o755))
	}
	cmd := exec.Command(own, args[1:]...)
	cmd.Dir = p.root
	cmd.Env = []string{"PATH=/usr/bin:/bin", "RELINK_CONFIG=" + ts.Getenv("RELINK_CONFIG")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	if got := fmt.Sprint(cmd.ProcessState.ExitCode()); got != args[0] {
		ts.Fatalf("exit status %s (%v), want %s:\n%s", got, err, args[0], out)
	}
	ts.Check(os.WriteFile(ts.MkAbs("nobody.out"), out, 0o644))
}
