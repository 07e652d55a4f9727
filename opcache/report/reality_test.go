package report

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"relink/fcgi"
	"relink/internal/sandbox"
	"relink/php"
)

// fpm is a private FPM whose OPcache a test fills.
type fpm struct {
	t      testing.TB
	ctx    context.Context
	server *sandbox.Server
	agent  *php.Agent
	www    string
}

func startFPM(t testing.TB, ini map[string]string) *fpm {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	root, err := sandbox.TempRoot()
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(root) })
	f := &fpm{t: t, ctx: ctx, www: filepath.Join(root, "www")}
	must(t, os.Mkdir(f.www, 0o755))
	f.server, err = sandbox.Start(ctx, sandbox.Options{Root: root, NoApache: true,
		Masters: []sandbox.Master{{INI: ini, Pools: []sandbox.Pool{{Name: "www", Workers: 1}}}}})
	must(t, err)
	t.Cleanup(func() { must(t, f.server.Stop()) })
	address, err := fcgi.ParseAddress(f.server.Pool("").Address)
	must(t, err)
	f.agent, err = php.NewAgent(php.Pool{Address: address, AgentDir: f.server.AgentDir()})
	must(t, err)
	return f
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// write makes a file old enough for opcache.file_update_protection.
func (f *fpm) write(name, code string) {
	f.t.Helper()
	path := filepath.Join(f.www, name)
	must(f.t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(f.t, os.WriteFile(path, []byte(code), 0o644))
	old := time.Now().Add(-time.Hour)
	must(f.t, os.Chtimes(path, old, old))
}

func (f *fpm) get(path string) string {
	f.t.Helper()
	answer, err := fcgi.Call(f.ctx, f.agent.Pool().Address, fcgi.Request{Script: path})
	must(f.t, err)
	return string(answer.Body)
}

func (f *fpm) sample() Sample {
	f.t.Helper()
	var err error
	m := Master{Name: f.agent.Pool().Address.String()}
	m.Pools = []string{m.Name}
	m.Scripts, err = f.agent.Scripts(f.ctx, nil)
	must(f.t, err)
	m.Configuration, err = f.agent.Configuration(f.ctx)
	must(f.t, err)
	m.Status, err = f.agent.Status(f.ctx)
	must(f.t, err)
	return Sample{Time: time.Now(), Masters: []Master{m}}
}

const parts = 60

// release writes an application with functions, classes that inherit from a
// class of another file, and one page that loads them all.
func (f *fpm) release(name string) string {
	f.t.Helper()
	f.write(name+"/Base.php", "<?php\nabstract class Base { public array $items = ['a' => 1]; public function all(): array { return $this->items; } abstract public function id(): int; }\n")
	index := "<?php\nrequire __DIR__ . '/Base.php';\n"
	for i := range parts {
		f.write(fmt.Sprintf("%s/lib/Part%d.php", name, i), part(i))
		index += fmt.Sprintf("require __DIR__ . '/lib/Part%d.php'; new Part%d;\n", i, i)
	}
	f.write(name+"/index.php", index+"echo 'release';\n")
	return filepath.Join(f.www, name)
}

func part(n int) string {
	code := fmt.Sprintf("<?php\nclass Part%d extends Base {\n public function id(): int { return %d; }\n", n, n)
	for i := range 20 {
		code += fmt.Sprintf(" public function method%d(array $in): array { $out = []; foreach ($in as $key => $value) { $out[$key] = strtoupper((string) $value) . %d; } return array_filter($out) ?: ['empty' => true]; }\n", i, i)
	}
	return code + "}\n"
}

// sites are instances that all lead to one release, or each to a copy of its own.
func (f *fpm) sites(n int, target func(i int) string) Application {
	f.t.Helper()
	app := Application{Name: "booking", Releases: filepath.Join(f.www, "releases")}
	for i := range n {
		name := fmt.Sprintf("club%d", i)
		link := filepath.Join(f.www, name)
		must(f.t, os.Symlink(target(i), link))
		app.Instances = append(app.Instances, Instance{Name: name, Link: link, Target: target(i)})
		for range 2 { // the second request links the classes from the cache
			if got := f.get(link + "/index.php"); got != "release" {
				f.t.Fatalf("%s answers %q", name, got)
			}
		}
	}
	return app
}

// What the report says that sharing saves is what copies really take more. The
// application is made of classes that inherit, because their linked form is no
// script's memory: (instances - 1) x the live bytes alone would miss a fifth.
func TestSavingAgreesWithReality(t *testing.T) {
	const instances = 8
	for name, ini := range map[string]map[string]string{
		"plain": nil,
		"jit":   {"opcache.jit": "tracing", "opcache.jit_buffer_size": "32M"},
	} {
		t.Run(name, func(t *testing.T) {
			shared := startFPM(t, ini)
			shared.release("releases/v1")
			apps := []Application{shared.sites(instances, func(int) string { return filepath.Join(shared.www, "releases/v1") })}
			r := Build(shared.sample(), nil, apps, Options{})

			copied := startFPM(t, ini)
			own := copied.sites(instances, func(i int) string { return copied.release(fmt.Sprintf("releases/v%d", i)) })
			c := Build(copied.sample(), nil, []Application{own}, Options{})

			measured := c.Masters[0].Memory.UsedBytes - r.Masters[0].Memory.UsedBytes
			if off := float64(r.SavedBytes-measured) / float64(measured); off < -0.01 || off > 0.01 {
				t.Errorf("saved_bytes %d, the copies take %d more: %.2f %% off", r.SavedBytes, measured, 100*off)
			}
			if keys := c.Masters[0].Keys.Scripts - r.Masters[0].Keys.Scripts; r.SavedKeys != keys {
				t.Errorf("saved_keys %d, the copies take %d more", r.SavedKeys, keys)
			}
			if c.SavedBytes != 0 {
				t.Errorf("copies save %d bytes", c.SavedBytes)
			}
			release := r.Applications[0].Releases[0]
			if release.LiveScripts != parts+2 || len(release.Instances) != instances || r.Masters[0].Keys.Aliases != instances {
				t.Errorf("%+v, keys %+v", release, r.Masters[0].Keys)
			}
		})
	}
}

// On a cache that holds nothing but the agent, every byte is explained but
// OPcache's globals and, with the JIT, some KB of its data for the agent; dead scripts turn into waste to the byte.
func TestMemoryIsReconciledWithReality(t *testing.T) {
	for name, ini := range map[string]map[string]string{
		"plain":        nil,
		"few keys":     {"opcache.max_accelerated_files": "4000"},
		"small buffer": {"opcache.interned_strings_buffer": "4"},
		"jit":          {"opcache.jit": "tracing", "opcache.jit_buffer_size": "16M"},
	} {
		t.Run(name, func(t *testing.T) {
			f := startFPM(t, ini)
			m := Build(f.sample(), nil, nil, Options{}).Masters[0].Memory
			if m.UnexplainedBytes < 0 || m.UnexplainedBytes > map[bool]int64{false: 1 << 10, true: 16 << 10}[name == "jit"] {
				t.Errorf("unexplained: %+v", m)
			}
			f.write("v1/index.php", "<?php\nfunction f() { return 'f'; }\necho f();\n")
			page := filepath.Join(f.www, "v1/index.php")
			for range 2 {
				f.get(page)
				_, err := f.agent.Invalidate(f.ctx, []string{page}, 0)
				must(t, err)
			}
			m = Build(f.sample(), nil, nil, Options{}).Masters[0].Memory
			if m.DeadBytes == 0 || m.ReplacedBytes != m.DeadBytes || m.WastedBytes != 2*m.DeadBytes {
				t.Errorf("one script was invalidated twice: %+v", m)
			}
		})
	}
}

// The next release takes what the forecast says: this one has the same code.
func TestForecastAgreesWithReality(t *testing.T) {
	f := startFPM(t, nil)
	v1, v2 := f.release("releases/v1"), f.release("releases/v2")
	app := f.sites(10, func(int) string { return v1 })
	before := Build(f.sample(), nil, []Application{app}, Options{}).Masters[0]
	next := before.Forecast.Applications[0].Next
	for _, instance := range app.Instances {
		must(t, os.Remove(instance.Link))
		must(t, os.Symlink(v2, instance.Link))
	}
	check := func(err error) { t.Helper(); must(t, err) }
	_, err := f.agent.Sweep(f.ctx)
	check(err)
	_, err = f.agent.Invalidate(f.ctx, f.paths(v1), 0)
	check(err)
	for _, instance := range app.Instances {
		f.get(instance.Link + "/index.php")
		f.get(instance.Link + "/index.php")
	}
	after := Build(f.sample(), nil, []Application{app}, Options{}).Masters[0]
	near(t, "bytes", next.Bytes, before.Memory.FreeBytes-after.Memory.FreeBytes, 0.01)
	near(t, "keys", next.Keys, after.Keys.Used-before.Keys.Used, 0)
	near(t, "interned strings", next.StringBytes, after.Strings.UsedBytes-before.Strings.UsedBytes, 0.25)
}

func (f *fpm) paths(release string) []string {
	files := []string{release + "/index.php", release + "/Base.php"}
	for i := range parts {
		files = append(files, fmt.Sprintf("%s/lib/Part%d.php", release, i))
	}
	return files
}

func near(t *testing.T, what string, got, want int64, tolerance float64) {
	t.Helper()
	if d := float64(got - want); d > tolerance*float64(want) || -d > tolerance*float64(want) {
		t.Errorf("%s: the forecast is %d, it took %d", what, got, want)
	}
}

// What opcache.preload holds is neither a script nor dead.
func TestPreloadIsNoDeadScript(t *testing.T) {
	folder, err := os.MkdirTemp("", "relink-preload")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(folder) })
	must(t, os.Chmod(folder, 0o755))
	file := filepath.Join(folder, "preload.php")
	must(t, os.WriteFile(file, []byte("<?php\nclass Loaded { public function a() { return [1, 2, 3]; } }\n"), 0o644))
	f := startFPM(t, map[string]string{"opcache.preload": file, "opcache.preload_user": "www-data"})
	m := Build(f.sample(), nil, nil, Options{}).Masters[0]
	if m.Scripts.Dead != 0 || m.Preload == nil || m.Memory.PreloadBytes == 0 || m.Memory.ReplacedBytes != 0 {
		t.Errorf("%+v %+v %+v", m.Scripts, m.Preload, m.Memory)
	}
	if m.Memory.UnexplainedBytes < 0 || m.Memory.UnexplainedBytes > 4096 {
		t.Errorf("unexplained: %+v", m.Memory)
	}
}
