package git

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"relink/deploy/source"
	"relink/internal/hint"
)

// submoduleURLs reads .gitmodules at the commit. Only paths and addresses are
// looked at: "update" may name a command.
func (c *repoCache) submoduleURLs(ctx context.Context, commit string) (map[string]string, error) {
	out, err := c.git(ctx, "config", "--blob", commit+":.gitmodules", "--null", "--list")
	if err != nil {
		return nil, hint.With(fmt.Errorf("%s at %s: read .gitmodules: %w", c.name(), commit[:shownCommit], err), "add the file .gitmodules, or remove the submodules with git rm")
	}
	values := map[string]string{}
	for item := range strings.SplitSeq(string(out), "\x00") {
		key, value, _ := strings.Cut(item, "\n")
		values[key] = value
	}
	byPath := map[string]string{}
	for key, at := range values {
		name, ok := strings.CutSuffix(key, ".path")
		address, known := values[name+".url"]
		if ok && known && strings.HasPrefix(name, "submodule.") {
			byPath[strings.TrimSuffix(at, "/")] = address
		}
	}
	return byPath, nil
}

// resolveURL resolves a submodule's address against its parent's, as git does:
// only one that begins with ./ or ../ is relative, and each .. takes off one
// element of the parent's address, also behind the colon of host:path.
func resolveURL(parent, address string) string {
	if !strings.HasPrefix(address, "./") && !strings.HasPrefix(address, "../") {
		return address
	}
	base := strings.TrimRight(parent, "/") + "/"
	for {
		if rest, ok := strings.CutPrefix(address, "./"); ok {
			address = rest
		} else if rest, ok := strings.CutPrefix(address, "../"); ok {
			address, base = rest, chopLast(base)
		} else {
			return base + strings.TrimSuffix(address, "/")
		}
	}
}

// chopLast keeps a colon, so that what is appended stays behind the host.
func chopLast(base string) string {
	base = strings.TrimSuffix(base, "/")
	end := strings.LastIndexByte(base, '/')
	if end < 0 {
		end = strings.LastIndexByte(base, ':')
	}
	return base[:end+1]
}

// checkLocal refuses a submodule that is taken from a path of this machine, as git has
// done since CVE-2022-39253: whoever may write .gitmodules could have any repository
// published that relink may read. A parent that is itself taken from a path may name
// what lies beside it, below the folder that it lies in.
func checkLocal(parent, address string) error {
	path, local := localPath(address)
	if !local {
		return nil
	}
	if own, too := localPath(parent); too {
		below, err := filepath.Rel(filepath.Dir(realPath(own)), realPath(path))
		if err == nil && filepath.IsLocal(below) {
			return nil
		}
	}
	return hint.With(fmt.Errorf("%w: its address is a path of this machine, %s", source.ErrUnsafe, path),
		"give it an address of https or ssh in .gitmodules; a path may only lead to what lies beside a repository that is taken from a path too")
}

// localPath tells whether git would read the address as a path, and which: a colon
// before the first slash is that of a host.
func localPath(address string) (string, bool) {
	if rest, ok := strings.CutPrefix(address, "file://"); ok {
		plain, err := url.PathUnescape(rest)
		if err != nil {
			plain = rest
		}
		return "/" + strings.TrimLeft(plain, "/"), true
	}
	colon, slash := strings.IndexByte(address, ':'), strings.IndexByte(address, '/')
	return address, colon < 0 || slash >= 0 && slash < colon
}

// realPath is as good as it can be of what does not exist, which git then tells.
func realPath(path string) string {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	return filepath.Clean(path)
}
