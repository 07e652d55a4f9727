package config

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"relink/internal/ui"
)

// Warnings tells what on disk does not fit the configuration yet. It only
// looks: a first deploy may create some of it, a person the rest.
func Warnings(c *Config) []string {
	w := &warnings{}
	if len(c.Apps) == 0 {
		w.addf("no application is configured: there is nothing to deploy")
	}
	for _, a := range c.Apps {
		w.app(a)
	}
	for _, p := range c.Pools {
		if socket, ok := strings.CutPrefix(p.Address, "unix:"); ok && !exists(socket) {
			w.addf("pool %s: no such socket", p.Address)
		}
	}
	return w.list
}

type warnings struct{ list []string }

func (w *warnings) addf(format string, args ...any) {
	w.list = append(w.list, fmt.Sprintf(format, args...))
}

func (w *warnings) app(a App) {
	if !exists(a.Releases) {
		w.addf("%s: the releases folder %s does not exist yet", a.Name, a.Releases)
	}
	if source := a.Source.Location; filepath.IsAbs(source) && !strings.Contains(source, Placeholder) && !exists(source) {
		w.addf("%s: the source %s does not exist", a.Name, source)
	}
	if len(a.Shared) > 0 && !exists(a.SharedDir) {
		w.addf("%s: the folder of shared files %s does not exist yet", a.Name, a.SharedDir)
	}
	if len(a.Instances) == 0 && a.InstancesFrom != nil {
		w.addf("%s: no instance matches %s", a.Name, a.InstancesFrom.Pattern)
	}
	w.links(a)
}

func (w *warnings) links(a App) {
	homeless := map[string][]string{}
	var folders []string
	for _, i := range a.Instances {
		info, err := os.Lstat(i.Link)
		if err == nil && info.Mode().Type() != fs.ModeSymlink {
			w.addf("%s: instance %s: %s is not a symbolic link", a.Name, i.Name, i.Link)
		}
		if folder := filepath.Dir(i.Link); !exists(folder) {
			if homeless[folder] == nil {
				folders = append(folders, folder)
			}
			homeless[folder] = append(homeless[folder], i.Name)
		}
	}
	for _, folder := range folders {
		w.addf("%s: the folder %s does not exist; it holds the link of %s", a.Name, folder, ui.First(10, homeless[folder]))
	}
}

// exists is false only for what is certainly missing: without the right to
// look, nothing can be said.
func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil || os.IsPermission(err)
}
