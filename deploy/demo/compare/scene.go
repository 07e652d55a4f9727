package compare

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"relink/deploy/apache"
	"relink/deploy/demo/program"
	"relink/deploy/webmap"
	"relink/internal/sandbox"
	"relink/internal/sandbox/app"
)

// scene is a server with sites of an application, and what was deployed there.
type scene struct {
	subject Subject
	on      server
	root    string
	line    *app.Line
	names   []string
	server  *sandbox.Server
	relink  program.Program

	rehearsing bool

	made int // releases
	live string
	last map[string]time.Duration // how long the window of a way in a situation was
}

// Subject is an application and how it is served and visited.
type Subject struct {
	Name, About string
	Make        func(ctx context.Context, dir string) (*app.Line, error)
	Sites       int
	Clients     int           // of the closed loop
	Pause       time.Duration // of each of them between two requests; none but in tests
	Rate        float64       // of the open loop, requests in a second
	Memory      int           // opcache.memory_consumption, in MB
	Visit       time.Duration // of all clients, to fill the caches
	Tail        time.Duration // that is watched after a command
}

const (
	workers   = 8
	processes = 24 // of mod_php: each connection that is kept alive holds one
)

func newScene(ctx context.Context, of Subject, on server, executable string) (s *scene, err error) {
	s = &scene{subject: of, on: on, last: map[string]time.Duration{}}
	if s.root, err = sandbox.TempRoot(); err != nil {
		return s, err
	}
	if s.line, err = of.Make(ctx, s.root); err != nil {
		return s, err
	}
	for n := range of.Sites {
		s.names = append(s.names, fmt.Sprintf("site%d", n+1))
	}
	if err := s.lay(); err != nil {
		return s, err
	}
	if s.server, err = sandbox.Start(ctx, s.options()); err != nil {
		return s, err
	}
	s.relink = program.Program{Executable: executable, Config: s.path("relink.yaml"), Screen: io.Discard}
	return s, s.configure()
}

func (s *scene) path(names ...string) string {
	return filepath.Join(append([]string{s.root}, names...)...)
}

// lay makes the folders around the releases.
func (s *scene) lay() error {
	for _, name := range []string{"www", "releases"} {
		if err := os.Mkdir(s.path(name), 0o755); err != nil {
			return err
		}
	}
	below, err := fs.Sub(tools, "tools")
	if err != nil {
		return err
	}
	return errors.Join(os.CopyFS(s.path("tools"), below), s.line.Prepare(s.path("data")), s.mapped())
}

// mapped writes what Apache reads for real paths.
func (s *scene) mapped() error {
	if !s.on.resolved {
		return nil
	}
	text, err := apache.Include{
		App: "site", Form: apache.FormVHost, Releases: s.path("releases"), Docroot: s.line.DocRoot, Map: s.path("map"), AllowOverride: "None",
	}.Text()
	if err != nil {
		return err
	}
	return errors.Join(os.WriteFile(s.path("include.conf"), []byte(text), 0o644), webmap.Write(s.path("map"), nil))
}

func (s *scene) options() sandbox.Options {
	ini := map[string]string{
		"opcache.memory_consumption": fmt.Sprint(s.subject.Memory), "opcache.max_accelerated_files": "32000", "opcache.interned_strings_buffer": "16",
	}
	if s.on.revalidate {
		ini["opcache.revalidate_path"] = "1"
	}
	o := sandbox.Options{Root: s.path("srv"), Web: s.on.web, INI: ini, Children: processes, Sites: []sandbox.Site{{Host: toolsHost, DocumentRoot: s.path("tools")}}}
	master := sandbox.Master{INI: maps.Clone(ini), Pools: []sandbox.Pool{{Name: "www", Workers: workers}}}
	if s.on.web == sandbox.WebApachePrefork {
		// An idle pool, as Debian's packages often leave one beside mod_php.
		master.Pools[0].Workers = 1
		o.Directives = []string{"MaxKeepAliveRequests 100"}
	} else {
		master.Settings = map[string]string{"process_control_timeout": s.on.control}
	}
	o.Masters = []sandbox.Master{master}
	for _, name := range s.names {
		one := sandbox.Site{Host: host(name), DocumentRoot: s.path("www", name, s.line.DocRoot), Env: s.line.Env(s.path("data"), name)}
		if s.on.resolved {
			one.Directives = []string{"Define RELINK_INSTANCE " + name, fmt.Sprintf("Include %q", s.path("include.conf"))}
		}
		o.Sites = append(o.Sites, one)
	}
	return o
}

func host(name string) string { return name + ".test" }

//go:embed relink.yaml.tmpl
var configuration string

func (s *scene) configure() error {
	links := map[string]string{}
	for i, link := range s.links() {
		links[s.names[i]] = link
	}
	data := map[string]any{
		"State": s.path("state"), "Repository": s.line.Repository, "Releases": s.path("releases"), "Docroot": s.line.DocRoot, "Keep": keep,
		"URL": s.server.URL() + "/", "Links": links, "Pool": s.server.Pool(""), "AgentDir": s.server.AgentDir(), "Map": "",
	}
	if s.on.resolved {
		data["Map"] = s.path("map")
	}
	var text strings.Builder
	if err := template.Must(template.New("").Parse(configuration)).Execute(&text, data); err != nil {
		return err
	}
	return os.WriteFile(s.path("relink.yaml"), []byte(text.String()), 0o644)
}

// next makes a release that differs in a few files from the one before, or in all.
func (s *scene) next(ctx context.Context, whole bool) (tag string, err error) {
	s.made++
	tag = fmt.Sprintf("r%d", s.made)
	if whole {
		return tag, s.line.Whole(ctx, tag)
	}
	return tag, s.line.Few(ctx, tag)
}

// leave ends the servers and removes everything.
func (s *scene) leave() error {
	var err error
	if s.server != nil {
		err = s.server.Stop()
	}
	if s.root == "" {
		return err
	}
	return errors.Join(err, os.RemoveAll(s.root))
}
