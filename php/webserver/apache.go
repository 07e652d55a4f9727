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
func (s server) apacheSites(ctx context.Context) ([]Site, []string, error) {
	args, file, err := apacheArgs(s.args)
	if err != nil {
		return nil, nil, err
	}
	if file != "" {
		if err := trust.Check(file); err != nil {
			return nil, nil, err
		}
	}
	env, err := s.environment()
	if err != nil {
		return nil, nil, err
	}
	if module := s.infoModule(); module != "" {
		args = append([]string{"-C", `LoadModule info_module "` + module + `"`}, args...)
	}
	printed, err := s.run(ctx, append(args, "-t", "-D", "DUMP_CONFIG", "-D", "DUMP_RUN_CFG"), env)
	if err != nil {
		return nil, nil, err
	}
	conf, err := parseApache(printed)
	if err != nil {
		return nil, nil, err
	}
	if len(conf.directives) == 0 {
		return nil, nil, errors.New("it cannot print its configuration: mod_info.so is not beside its other modules")
	}
	return conf.sites(s.pid), nil, nil
}

var errRelative = errors.New("it was started with a relative path for its configuration (-d, -f or -p), which tells no file")

// apacheArgs keeps of a command line what decides about the configuration, and
// names the file of it if that can be told. -k, -X, -E and the like act.
func apacheArgs(line []string) (args []string, file string, err error) {
	root := ""
	for i := 0; i < len(line); i++ {
		option, value := line[i], ""
		if len(option) < 2 || option[0] != '-' || !strings.ContainsRune("dfDCcEekn", rune(option[1])) {
			continue
		}
		if option, value = option[:2], option[2:]; value == "" {
			if i++; i == len(line) {
				break
			}
			value = line[i]
		}
		switch option {
		case "-d":
			root = value
		case "-f":
			file = value
		case "-D", "-C", "-c":
			args = append(args, option, value)
		}
	}
	if root != "" {
		args = append(args, "-d", root)
	}
	if file != "" {
		args = append(args, "-f", file)
		if !filepath.IsAbs(file) && root == "" {
			return args, "", nil // below the root that is compiled in
		}
		file = filepath.Join(ifRelative(root, file), file)
	}
	if root != "" && !filepath.IsAbs(root) || file != "" && !filepath.IsAbs(file) {
		return nil, "", errRelative
	}
	return args, file, nil
}

func ifRelative(root, file string) string {
	if filepath.IsAbs(file) {
		return "/"
	}
	return root
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
