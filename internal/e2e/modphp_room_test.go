package e2e

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"relink/opcache/restart"
)

// partsOfLarge files, of 32 KB each in OPcache, make a release of which 8 MB hold
// one, not two.
const partsOfLarge = 100

func large(ref string) application {
	app := ordinary(ref)
	var requires, numbers strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&numbers, "%d,", i)
	}
	for i := range partsOfLarge {
		app[fmt.Sprintf("lib/large%d.php", i)] = fmt.Sprintf("<?php function large%d() { return [%s]; }", i, numbers.String())
		fmt.Fprintf(&requires, "require __DIR__ . '/../lib/large%d.php'; ", i)
	}
	app["public/index.php"] = "<?php " + requires.String() + strings.TrimPrefix(app["public/index.php"], "<?php ")
	return app
}

// A cache of Apache that cannot hold both releases is restarted with the switch, by
// Apache's own graceful restart; no request fails, and none gets an old page after it.
func TestModPHPFitsOnlyInPlaceOfTheOld(t *testing.T) {
	t.Parallel()
	ini := map[string]string{"opcache.memory_consumption": "8", "opcache.interned_strings_buffer": "1"}
	f := newFront(t, way{web: prefork, app: large, ini: ini})
	control := f.path("apachectl")
	f.must(os.WriteFile(control, []byte(controlProgram(f.server.Root())), 0o755))
	text, err := os.ReadFile(f.path("relink.yaml"))
	f.must(err)
	f.must(os.WriteFile(f.path("relink.yaml"), fmt.Appendf(text, "apache: {control: %q}\n", control), 0o644))

	f.relink(all("v1"), "deploy", "v1", "--all")
	f.beginLoad()
	report, ended := f.run("deploy", "v2", "--all")
	if report.Exit != 0 || report.Restart.Action != string(restart.ReloadApache) {
		t.Errorf("exit %d, restart %+v, warnings %q, %+v", report.Exit, report.Restart, report.Warnings, report.Error)
	}
	f.on = all("v2")
	f.wantPages("after the restart")
	f.wantLoad(ended, []string{"deploy v2"})
	history, err := restart.ReadHistory(f.path("state"))
	f.must(err)
	if len(history) != 1 || history[0].Action != restart.ReloadApache || !history[0].Done() || history[0].Warmed < partsOfLarge {
		t.Errorf("%+v", history)
	}
}
