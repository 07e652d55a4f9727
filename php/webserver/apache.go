package webserver

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"relink/internal/trust"
)

// apacheSites has Apache print its configuration as it understands it: with all
// included files, conditions, macros and variables resolved. That is what
// mod_info does for "-t -D DUMP_CONFIG"; for this run alone it is loaded by -C,
// if the configuration does not load it.
func (s server) apacheSites(ctx context.Context) ([]Site, error) {
	args, file, err := apacheArgs(s.args)
	if err != nil {
		return nil, err
	}
	if module := s.infoModule(); module != "" {
		args = append([]string{"-C", `LoadModule info_module "` + module + `"`}, args...)
	}
	printed, err := s.print(ctx, file, append(args, "-t", "-D", "DUMP_CONFIG", "-D", "DUMP_RUN_CFG"))
	if err != nil {
		return nil, err
	}
	conf, err := parseApache(printed)
	if err != nil {
		return nil, err
	}
	if len(conf.directives) == 0 {
		return nil, errors.New("it cannot print its configuration: mod_info.so is not beside its other modules")
	}
	return conf.sites(s.pid), nil
}

// apacheArgs keeps of a command line what decides about the configuration, and
// names the file of it if that can be told. -k, -X, -E and the like act.
func apacheArgs(line []string) (args []string, file string, err error) {
	root := ""
	for _, o := range options(line, "dfDCcEekn") {
		switch o.name {
		case "-d":
			root = o.value
		case "-f":
			file = o.value
		case "-D", "-C", "-c":
			args = append(args, o.name, o.value)
		}
	}
	return configured(args, option{"-d", root}, option{"-f", file})
}

// infoModule is the file of mod_info beside the modules that the server has
// loaded; "" if it has mod_info already, or there is none that may be loaded.
func (s server) infoModule() string {
	f, err := os.Open(s.proc("maps"))
	if err != nil {
		return ""
	}
	defer f.Close()
	folder := ""
	for lines := bufio.NewScanner(f); lines.Scan(); {
		_, path, mapped := strings.Cut(lines.Text(), "/")
		name := filepath.Base(path)
		switch {
		case !mapped || !strings.HasPrefix(name, "mod_") || !strings.HasSuffix(name, ".so"):
		case name == "mod_info.so":
			return ""
		case folder == "":
			folder = "/" + filepath.Dir(path)
		}
	}
	module := filepath.Join(folder, "mod_info.so")
	if folder == "" || strings.ContainsAny(module, "\"\\") || trust.Check(module) != nil {
		return ""
	}
	return module
}
