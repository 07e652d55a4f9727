package command

import (
	"fmt"
	"strings"
	"testing"

	"relink/health"
)

// plugins is where Debian's monitoring-plugins-basic puts them.
const plugins = "/usr/lib/nagios/plugins"

// The monitoring plugins' own wrapper knows a plugin by its exit status and by
// the state in its first line.
func TestUnderNegate(t *testing.T) {
	s := newScene(t)
	file := s.configuration("health: {skip: [disk]}\n")
	nagios := []string{"$RELINK", "health", "--format", "nagios"}
	negate := append([]string{plugins + "/negate", "--substitute"}, nagios...)
	if r := execute(t, file, append([]string{}, negate...)...); r.code != 2 || !strings.HasPrefix(r.stdout, "RELINK CRITICAL - 32 ok | 'pool.latency ") {
		t.Errorf("%+v", r)
	}
	s.must(s.server.StopMaster("php"))
	if r := execute(t, file, append([]string{}, negate...)...); r.code != 0 || !strings.HasPrefix(r.stdout, "RELINK OK - 1 critical") {
		t.Errorf("%+v", r)
	}
	warned := append([]string{plugins + "/negate", "--substitute", "--unknown=WARNING"}, nagios...)
	if r := execute(t, "/nonexistent.yaml", warned...); r.code != 1 || !strings.HasPrefix(r.stdout, "RELINK WARNING - 1 unknown") {
		t.Errorf("%+v", r)
	}
}

// utils.sh has the exit statuses as the plugins' shell scripts know them.
func TestExitStatusesOfUtils(t *testing.T) {
	for state, variable := range map[health.State]string{health.OK: "STATE_OK", health.Warning: "STATE_WARNING", health.Critical: "STATE_CRITICAL", health.Unknown: "STATE_UNKNOWN"} {
		r := execute(t, "", "sh", "-c", ". "+plugins+"/utils.sh; echo $"+variable)
		if r.stdout != fmt.Sprintln(int(state)) {
			t.Errorf("%s: %+v", state, r)
		}
	}
}
