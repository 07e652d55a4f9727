package cli

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// Version is that of a package, or what "go install" and "go build" in a checkout record; built
// is from what, and with which Go.
func Version(released string) (name, built string) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return cmp.Or(released, "unknown"), runtime.Version()
	}
	recorded := map[string]string{}
	for _, setting := range info.Settings {
		recorded[setting.Key] = setting.Value
	}
	built = info.GoVersion
	if commit := recorded["vcs.revision"]; commit != "" {
		built = fmt.Sprintf("commit %.12s of %s, %s", commit, recorded["vcs.time"], built)
	}
	return cmp.Or(released, strings.TrimPrefix(info.Main.Version, "v"), "unknown"), built
}
