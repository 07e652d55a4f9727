package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"relink/deploy/demo/program"
	"relink/internal/durable"
	"relink/internal/sandbox"
	"relink/internal/sandbox/app"
	"relink/internal/ui"

	"github.com/gofrs/flock"
)

// scene is a server with sites and no release yet.
type scene struct {
	Options
	folder
	relink program.Program
	app    app.App
	sites  []site
	server *sandbox.Server
	took   time.Duration // to set it
}

// site is one instance: its link, which the first deploy makes, and what is its
// own and so lies outside of every release.
type site struct {
	name, host string
	link       string // as relink's configuration names it
	root       string // the document root, as Apache's configuration names it
	data       string
}

// folder holds everything. Its lock tells "relink demo --stop" that the demo
// still runs.
type folder struct {
	dir  string
	lock *flock.Flock
}

func (f folder) config() string     { return filepath.Join(f.dir, "relink.yaml") }
func (f folder) repository() string { return filepath.Join(f.dir, "wiki.git") }
func (f folder) releases() string   { return filepath.Join(f.dir, "releases") }
func (f folder) state() string      { return filepath.Join(f.dir, "state") }
func (f folder) webmap() string     { return filepath.Join(f.dir, "wiki.map") }
func (f folder) include() string    { return filepath.Join(f.dir, "relink-wiki.conf") }
func (f folder) links() string      { return filepath.Join(f.dir, "www") }
func (f folder) served() string     { return filepath.Join(f.dir, "htdocs") }
func (f folder) data() string       { return filepath.Join(f.dir, "data") }

// setScene prepares everything. On an error the scene holds what is to be cleared away.
func setScene(ctx context.Context, o Options) (*scene, error) {
	s := &scene{Options: o}
	began := time.Now()
	if err := missingPackages(o.SetUp); err != nil {
		return s, err
	}
	var err error
	if s.folder, err = makeFolder(o.Dir); err != nil {
		return s, err
	}
	s.relink = program.Program{Executable: o.Executable, Config: s.config(), Screen: o.Screen}
	for _, prepare := range []func(context.Context) error{s.fetch, s.lay, s.serve, s.configure} {
		if err := prepare(ctx); err != nil {
			return s, fmt.Errorf("demo: %w", err)
		}
	}
	s.took = time.Since(began)
	return s, nil
}

// fetch provides the application. The repository is copied, so that whoever
// keeps the demo may commit to it.
func (s *scene) fetch(ctx context.Context) error {
	began := time.Now()
	s.Screen.Line("  preparing DokuWiki from Debian's packages (the first time they are downloaded)")
	var err error
	if s.app, err = app.Fetch(ctx, s.Cache); err != nil {
		return err
	}
	if err := os.CopyFS(s.repository(), os.DirFS(s.app.Repository)); err != nil {
		return err
	}
	s.Screen.Step("application", "DokuWiki with the tags v1 and v2", time.Since(began))
	return nil
}

// lay makes what the sites need around their links.
func (s *scene) lay(ctx context.Context) error {
	began := time.Now()
	if err := errors.Join(os.Mkdir(s.links(), 0o755), os.Symlink(filepath.Base(s.links()), s.served())); err != nil {
		return err
	}
	for n := 1; n <= s.Instances; n++ {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		one := s.newSite(n)
		if err := s.app.Prepare(one.data); err != nil {
			return err
		}
		s.sites = append(s.sites, one)
	}
	s.Screen.Step("sites", ui.Plural(s.Instances, "data folder"), time.Since(began))
	return nil
}

// newSite: Apache reaches the links by another path than the one that relink
// knows, as on many a grown server; OPcache keeps Apache's spelling.
func (s *scene) newSite(n int) site {
	name := fmt.Sprintf("club%d", n)
	return site{
		name: name, host: name + ".test",
		link: filepath.Join(s.links(), name),
		root: filepath.Join(s.served(), name, s.app.DocRoot),
		data: filepath.Join(s.data(), name),
	}
}

func (s *scene) serve(ctx context.Context) error {
	began := time.Now()
	if err := s.mapped(); err != nil {
		return err
	}
	options := s.SetUp.options()
	options.Root, options.Detach = s.dir, s.Keep
	for _, one := range s.sites {
		options.Sites = append(options.Sites, sandbox.Site{
			Host: one.host, DocumentRoot: one.root, Env: s.app.Env(one.data, one.name), Directives: s.directives(one),
		})
	}
	var err error
	if s.server, err = sandbox.Start(ctx, options); err != nil {
		return err
	}
	s.Screen.Step("servers", s.serving(), time.Since(began))
	return nil
}

func (s *scene) serving() string {
	if s.SetUp == ModPHP {
		return fmt.Sprintf("%s, %d processes", tells[s.SetUp].Servers, processes)
	}
	return fmt.Sprintf("%s with %d workers", tells[s.SetUp].Servers, s.server.Pool("").Workers)
}

// examples are the sites with a curl line each.
const examples = 3

// shownScene is what the story tells of a scene.
type shownScene struct {
	Took                                    time.Duration
	URL, Page, Serving, Dir, Config, Relink string
	Hosts, Tries                            []string // Tries are commands that work one after the other
}

func (s *scene) shown() shownScene {
	on := " --instance " + s.sites[1].name
	shown := shownScene{Took: s.took, URL: s.server.URL(), Page: s.app.Paths[0], Serving: s.serving(), Dir: s.dir, Config: s.config(), Relink: s.Executable,
		Tries: []string{"status", "health", "deploy v2" + on, "rollback" + on, "deploy v2 --all --dry-run"}}
	if s.SetUp == Resolved {
		shown.Tries = append(shown.Tries, "apache check")
	}
	for _, one := range s.sites[:min(len(s.sites), examples)] {
		shown.Hosts = append(shown.Hosts, one.host)
	}
	return shown
}

// processes are the pids of what runs PHP: the first process and its children.
func (s *scene) processes() ([]int, error) {
	if s.SetUp == ModPHP {
		children, err := s.server.WebChildren()
		return append([]int{s.server.WebPID()}, children...), err
	}
	workers, err := s.server.WorkerPIDs("")
	return append([]int{s.server.Pool("").MasterPID}, workers...), err
}

// leave ends the servers and removes the folder; err is what has been before.
func (s *scene) leave(ctx context.Context, err error) error {
	err = interrupted(ctx, err)
	if s.server != nil {
		err = errors.Join(err, s.server.Stop())
	}
	return errors.Join(err, s.folder.remove())
}

// configure writes the configuration that the story's commands read.
func (s *scene) configure(context.Context) error {
	data := map[string]any{"State": s.state(), "Repository": s.repository(), "Releases": s.releases(), "Docroot": s.app.DocRoot,
		"Check": s.server.URL() + s.app.Cheap, "Pool": s.server.Pool(""), "AgentDir": s.server.AgentDir()}
	if s.SetUp == Resolved {
		data["Map"] = s.webmap()
	}
	links := make([][2]string, len(s.sites))
	for i, one := range s.sites {
		links[i] = [2]string{one.name, one.link}
	}
	data["Links"] = links
	return durable.WriteFile(s.config(), []byte(written("relink.yaml.tmpl", data)), 0o644)
}
