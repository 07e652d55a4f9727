package fleettest

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"relink/deploy/fleet"
	"relink/health/serve"
	"relink/internal/browsertest"
	"relink/internal/schematest"
)

// watched is the page of one host, which "relink serve" tells by a socket, as it is seen from
// outside of the hosts' network.
func (h *host) watched() (url string) {
	f := h.fleet
	f.t.Helper()
	socket := h.path("serve.sock")
	c := h.command("serve", "--interval", "1h", "--listen", "unix:"+socket) // what is news comes from etcd
	log := &output{}
	c.Stdout, c.Stderr = log, log
	f.must(c.Start())
	f.whole.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_ = c.Wait()
		if f.whole.Failed() {
			f.whole.Logf("serve of %s:\n%s", h.Name, log)
		}
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	f.must(err)
	f.whole.Cleanup(func() { listener.Close() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go pass(in, "unix", socket)
		}
	}()
	url = "http://" + listener.Addr().String()
	f.await("the page of "+h.Name, func() bool { status, _ := get(url + "/api/v1/state"); return status == http.StatusOK })
	return url
}

func get(url string) (status int, body string) {
	client := http.Client{Timeout: 5 * time.Second}
	answer, err := client.Get(url)
	if err != nil {
		return 0, ""
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

// rows are those of the table of hosts, each as "NAME STATE ROLLOUT REF".
const rows = `[...document.querySelectorAll('#fleet .hosts tbody tr:not(.why)')].map(e => [e.querySelector('th .name').textContent, ...['State', 'Rollout', 'Release', 'Wanted'].map(l => e.querySelector('td[data-label="' + l + '"]').textContent.replace(/^[0-9TZ]+-/, ''))].join(' ')).join(', ')`

// Any host's page shows all hosts live: how far each has come with a rollout, who is behind
// and why, and who is away. Its metrics and its JSON say the same.
func TestTheFleetIsSeen(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 3, 2, func(s *spec) {
		s.Extra = "  lease: 2s\n  absent: 1s\n  prepare: 60s\n"
		s.Hooks = fmt.Sprintf("{build: [\"test ! -e %s\"], before_switch: [\"while test -e %s; do sleep 0.02; done\"]}", s.path("broken"), s.path("hold"))
	})
	f.relink(0, "fleet", "deploy", "v1")
	for _, ref := range []string{"v2", "v3"} {
		f.must(f.line.Few(f.ctx, ref))
	}
	seenFrom := f.hosts[1]
	url := seenFrom.watched()
	b := browsertest.Open(t, url+"/", browsertest.Setup{})
	b.Until(rows, "web1 ok done v1 v1, web2 ok done v1 v1, web3 ok done v1 v1")
	steward := f.hosts[f.steward()].Name
	b.Until(`document.querySelector('#fleet p').textContent`, "This host is web2; "+steward+" is the steward.")

	// One host is not ready yet: the others wait.
	f.must(os.WriteFile(f.hosts[2].path("hold"), nil, 0o644))
	deploy := f.hosts[0].command("fleet", "deploy", "v2")
	f.must(deploy.Start())
	b.Until(rows, "web1 moving ready v1 v1, web2 moving ready v1 v1, web3 moving preparing v1 v1")
	b.Until(`document.querySelector('#fleet .running strong').textContent`, "prepare")
	b.Until(`document.querySelector('#fleet .legend').textContent.trim()`, "1 preparing 2 ready")
	b.Screenshot("fleet-prepare")
	wantMetrics(t, url, `relink_fleet_rollout_phase{app="club",phase="prepare"} 1`, `relink_fleet_rollout_hosts{app="club",stage="ready"} 2`, `relink_fleet_host_on_wanted{app="club",host="web3"} 1`)
	f.must(os.Remove(f.hosts[2].path("hold")))
	b.Until(rows, "web1 ok done v2 v2, web2 ok done v2 v2, web3 ok done v2 v2")
	f.must(deploy.Wait())

	// One host is away, another cannot build what the fleet goes to.
	kill(f.hosts[2].agent)
	f.must(os.WriteFile(f.hosts[0].path("broken"), nil, 0o644))
	f.await("web3 is away", func() bool { v, err := f.store.View(f.ctx); return err == nil && len(v.Hosts) == 2 })
	told := f.relink(4, "fleet", "deploy", "v3", "--quorum", "1")
	if told.Rollout.Phase != fleet.Done {
		t.Errorf("%+v", told.Rollout)
	}
	b.Until(rows, "web3 away - not known v3, web1 behind failed v2 v3, web2 ok done v3 v3")
	b.Until(`String(document.querySelector('#fleet .why td')?.textContent.includes('is not on v3 yet'))`, "true")
	b.Until(`document.querySelector('#tile-fleet').textContent`, "Fleet3 hosts1 away, 1 behind")
	b.Screenshot("fleet-behind")
	b.WantQuiet()
	phone := browsertest.Open(t, url+"/", browsertest.Setup{Width: 390, Scheme: "dark"})
	phone.Until(`document.getElementById('live').textContent`, "Live")
	if wide := browsertest.Eval[int](phone, `document.documentElement.scrollWidth`); wide > 390 {
		t.Errorf("the page is %d wide on a screen of 390", wide)
	}
	phone.Screenshot("fleet-behind-phone")
	phone.WantQuiet()
	wantMetrics(t, url, `relink_fleet_up 1`, `relink_fleet_steward 1`, `relink_fleet_host_present{host="web3"} 0`, `relink_fleet_host_present{host="web1"} 1`, `relink_fleet_host_ready{host="web1"} 0`,
		`relink_fleet_host_on_wanted{app="club",host="web1"} 0`, `relink_fleet_host_on_wanted{app="club",host="web2"} 1`, `relink_check_state{check="fleet",subject="club"} 1`)
	if _, text := get(url + "/metrics"); strings.Contains(text, `relink_fleet_host_on_wanted{app="club",host="web3"}`) {
		t.Error("of a host that is away, what it is on is told")
	}
	f.wantState(url, seenFrom)
	f.wantStatus()

	// etcd is lost: what it told last stays, and says that it is old.
	f.etcd.kill(0)
	b.Until(`String(document.querySelector('#fleet section > .warn')?.textContent.includes('What follows is of'))`, "true")
	b.Until(rows, "web3 away - not known v3, web1 behind failed v2 v3, web2 ok done v3 v3")
	if _, text := get(url + "/metrics"); strings.Contains(text, "relink_fleet_host") || !strings.Contains(text, "relink_fleet_up 0\n") {
		t.Error("hosts are told of that nobody has heard of")
	}
	f.etcd.start(0)
	f.must(os.Remove(f.hosts[0].path("broken")))
	f.hosts[2].startAgent()
	b.Until(`String(document.querySelectorAll('#fleet .hosts td .state-ok').length)`, "3")
	b.WantQuiet()
}

func wantMetrics(t *testing.T, url string, lines ...string) {
	t.Helper()
	_, text := get(url + "/metrics")
	for _, line := range lines {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("no metric %s in\n%s", line, strings.Join(regexp.MustCompile(`(?m)^relink_fleet_.*$`).FindAllString(text, -1), "\n"))
		}
	}
}

// wantState looks at the JSON that the page is made of, too.
func (f *farm) wantState(url string, from *host) {
	f.t.Helper()
	_, text := get(url + "/api/v1/state")
	f.must(schematest.Check("api-state", []byte(text)))
	var state serve.State
	f.must(json.Unmarshal([]byte(text), &state))
	if state.Fleet == nil || state.Fleet.Host != from.Name || len(state.Fleet.Apps) != 1 || len(state.Fleet.Apps[0].Hosts) != 3 {
		f.t.Fatalf("%+v", state.Fleet)
	}
	for i, want := range []fleet.Condition{fleet.Behind, fleet.Well, fleet.Away} {
		if got := state.Fleet.Apps[0].Hosts[i]; got.State != want {
			f.t.Errorf("%s is %s instead of %s", got.Name, got.State, want)
		}
	}
}

// wantStatus looks at the same as text, on a screen of 80 columns.
func (f *farm) wantStatus() {
	f.t.Helper()
	f.relink(4, "fleet", "status")
	c := f.hosts[1].command("fleet", "status")
	c.Env = append(c.Env, "COLUMNS=80")
	out, err := c.Output()
	if failed, is := err.(*exec.ExitError); !is || failed.ExitCode() != 4 {
		f.t.Errorf("%v", err)
	}
	f.t.Logf("relink fleet status:\n%s", out)
	for line := range strings.Lines(string(out)) {
		if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > 80 {
			f.t.Errorf("%d columns: %s", n, line)
		}
	}
	for _, want := range []string{`(?m)^steward: web\d$`, `(?m)^web1 +behind: `, `(?m)^web2 +ok +\S+-v3 +v3 +2$`, `(?m)^web3 +away +- +v3 +-$`} {
		if !regexp.MustCompile(want).Match(out) {
			f.t.Errorf("no %s", want)
		}
	}
}
