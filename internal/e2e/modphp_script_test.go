package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"relink/internal/sandbox"

	"github.com/rogpeppe/go-internal/testscript"
)

// modphp [idle] [LINE...] starts a server whose Apache runs PHP itself, without any
// PHP-FPM, or with an idle one beside it that the configuration names; the lines
// are added to the application in the configuration. $CONTROL is the control
// program of that Apache.
func startModPHP(ts *testscript.TestScript, _ bool, args []string) {
	p := placeOf(ts)
	dir := filepath.Join(p.root, site)
	ts.Check(os.MkdirAll(filepath.Join(dir, "www"), 0o755))
	makeRepository(ts, filepath.Join(dir, "repo"))
	ini := map[string]string{"opcache.file_update_protection": "0"}
	options := sandbox.Options{Root: filepath.Join(p.root, "srv"), Web: sandbox.WebApachePrefork, Children: 3, INI: ini}
	idle := len(args) > 0 && args[0] == "idle"
	if idle {
		args = args[1:]
		options.Masters = []sandbox.Master{{INI: ini, Pools: []sandbox.Pool{{Name: "www", Workers: 1}}}}
	}
	for i := range 3 {
		name := fmt.Sprintf("club%d", i+1)
		options.Sites = append(options.Sites, sandbox.Site{Host: name, DocumentRoot: filepath.Join(dir, "www", name)})
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	server, err := sandbox.Start(ctx, options)
	ts.Check(err)
	p.server = server
	control := filepath.Join(p.root, "apachectl")
	ts.Check(os.WriteFile(control, []byte(controlProgram(server.Root())), 0o755))
	ts.Setenv("FLAGS", filepath.Join(p.root, "srv", "tmp"))
	ts.Setenv("URL", server.URL())
	ts.Setenv("CONTROL", control)
	pools := "off"
	if idle {
		pool := server.Pool("")
		pools = fmt.Sprintf("[{address: %q, status_path: %s, agent_dir: %q}]", pool.Address, pool.StatusPath, server.AgentDir())
	}
	ts.Check(os.WriteFile(filepath.Join(p.root, "relink.yaml"), fmt.Appendf(nil, `state_dir: "%[1]s/state"
pools: %[2]s
apache: {control: %[3]q, agent_dir: %[4]q}
timeouts: {settle: 10s, call: 5s}
apps:
  booking:
    source: {git: "%[1]s/repo"}
    releases: "%[1]s/releases"
    min_free: 1
    check: {url: "%[5]s/", host: "{instance}"}
    instances:
      club1: "%[1]s/www/club1"
      club2: "%[1]s/www/club2"
      club3: "%[1]s/www/club3"
%[6]s`, dir, pools, control, server.AgentDir(), server.URL(), strings.Join(append(args, ""), "\n")), 0o644))
}

// controlProgram is what Debian's apachectl is, for a private Apache.
func controlProgram(root string) string {
	apache := fmt.Sprintf("exec /usr/sbin/apache2 -d '%[1]s' -f '%[1]s/conf/apache.conf'", root)
	return fmt.Sprintf("#!/bin/sh\ncase $1 in\nconfigtest) %[1]s -t ;;\ngraceful) %[1]s -k graceful ;;\n*) %[1]s \"$@\" ;;\nesac\n", apache)
}
