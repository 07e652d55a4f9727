package probe_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"relink/internal/sandbox"
	"relink/php"
	"relink/php/probe"
)

// site is one site of an application on a private web server: root/site is the
// link to a release, and public is the document root in it.
type site struct {
	*web
	t      *testing.T
	secret probe.Secret
	agents string // the agent's folder
}

const app = "booking"

// newSite starts the server with a release v1, which has the probe.
func newSite(t *testing.T, start func(*testing.T, *web), w web) *site {
	t.Helper()
	s := &site{web: &w, t: t}
	var err error
	if s.root, err = sandbox.TempRoot(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(s.root) })
	if s.secret, err = probe.EnsureSecret(s.root + "/state"); err != nil {
		t.Fatal(err)
	}
	s.agents = s.root + "/agent"
	s.release("v1")
	s.link("v1")
	s.docroot = s.root + "/" + or(w.docroot, "site/public")
	s.fill(filepath.Dir(s.docroot), "v1")
	for name, value := range w.ini {
		w.ini[name] = strings.ReplaceAll(value, "{root}", s.root)
	}
	start(t, s.web)
	return s
}

func (s *site) release(name string) string {
	s.t.Helper()
	release := filepath.Join(s.root, "releases", name)
	s.fill(release, name)
	return release
}

func (s *site) fill(release, name string) {
	s.t.Helper()
	writeFile(s.t, release+"/public/index.php", "<?php echo '"+name+"';")
	s.must(s.secret.Install(release, "public", app, s.agents))
}

// link makes or moves the site's link as a deploy does.
func (s *site) link(release string) {
	s.t.Helper()
	s.must(os.Symlink("releases/"+release, s.root+"/site.new"))
	s.must(os.Rename(s.root+"/site.new", s.root+"/site"))
}

func (s *site) script(release string) string {
	return filepath.Join(s.root, "releases", release, "public", s.secret.Name(app))
}

func (s *site) door() probe.Door { return s.secret.Door(app, s.url, host) }

func (s *site) ask() probe.Answer {
	s.t.Helper()
	answer, err := s.door().Ask(bounded(s.t))
	s.must(err)
	return answer
}

// agent is the agent that is reached through the web server only.
func (s *site) agent() *php.Agent {
	s.t.Helper()
	door := s.door()
	agent, err := php.NewAgent(php.Pool{AgentDir: s.agents, Door: &door})
	s.must(err)
	return agent
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}
