package webserver

import (
	"context"
	"path/filepath"
	"strings"

	"relink/internal/trust"
)

// nginxSites has nginx print the files of its configuration ("-T").
func (s server) nginxSites(ctx context.Context) ([]Site, []string, error) {
	args, file, err := nginxArgs(s.args)
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
	printed, err := s.run(ctx, append(args, "-T"), env)
	if err != nil {
		return nil, nil, err
	}
	conf, err := parseNginx(printed)
	if err != nil {
		return nil, nil, err
	}
	return conf.sites(s.pid), nil, nil
}

// nginxArgs keeps -c and -p of a command line. The directives of -g are about
// the process; their quotes are lost in the title.
func nginxArgs(line []string) (args []string, file string, err error) {
	prefix := ""
	for i := 0; i < len(line); i++ {
		option := line[i]
		if !strings.HasPrefix(option, "-c") && !strings.HasPrefix(option, "-p") {
			continue
		}
		value := option[2:]
		if value == "" && i+1 < len(line) {
			i++
			value = line[i]
		}
		if option[1] == 'c' {
			file = value
		} else {
			prefix = value
		}
	}
	if prefix != "" {
		if !filepath.IsAbs(prefix) {
			return nil, "", errRelative
		}
		args = append(args, "-p", prefix)
	}
	if file == "" {
		return args, "", nil
	}
	args = append(args, "-c", file)
	if filepath.IsAbs(file) {
		return args, file, nil
	}
	if prefix == "" {
		return args, "", nil // below the prefix that is compiled in
	}
	return args, filepath.Join(prefix, file), nil
}
