package compare

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"

	"relink/deploy/demo/program"
	"relink/internal/sandbox/load"
)

// keep are the releases that are left besides the live one, as relink leaves by default.
const keep = 3

const (
	// unpack makes the release $2 of the repository $1 in the folder $3 and moves the links
	// behind it, each by a rename.
	unpack = `set -e
release=$3/$2; git=$1; tag=$2; shift 3
mkdir "$release"
git -C "$git" archive "$tag" | tar -x -C "$release"
for link; do ln -s "$release" "$link.new"; mv -T "$link.new" "$link"; done`

	clean = `ls -1dt "$1"/* | tail -n +"$2" | xargs -r rm -rf`
)

// byHand is a deploy without relink; notice has PHP notice it.
func (s *scene) byHand(ctx context.Context, tag string, notice func() error) (ran, error) {
	first, err := shell(ctx, unpack, append([]string{s.line.Repository, tag, s.path("releases")}, s.links()...)...)
	if err != nil {
		return ran{}, err
	}
	if err := notice(); err != nil {
		return ran{}, err
	}
	last, err := shell(ctx, clean, s.path("releases"), fmt.Sprint(keep+2))
	return ran{Cost: program.Cost{CPU: first.CPU + last.CPU, Written: first.Written + last.Written}}, err
}

func shell(ctx context.Context, script string, args ...string) (program.Cost, error) {
	cmd := exec.CommandContext(ctx, "sh", append([]string{"-c", script, "sh"}, args...)...)
	if printed, err := cmd.CombinedOutput(); err != nil {
		return program.Cost{}, fmt.Errorf("deploy by hand: %w: %s", err, printed)
	}
	return program.CostOf(cmd.ProcessState), nil
}

//go:embed tools
var tools embed.FS

// toolsHost is the site of the scripts that look at the cache and change it, in the same
// PHP as all sites.
const toolsHost = "tools.test"

// cache is what OPcache says of itself.
type cache struct {
	Misses, Used int64
	Started      int64 // Unix time of the last start or restart
}

func (s *scene) cache(ctx context.Context) (c cache, err error) {
	return c, s.tool(ctx, "status.php", &c)
}

func (s *scene) tool(ctx context.Context, script string, answer any) error {
	body, _, err := load.Fetch(ctx, s.server.URL()+"/"+script, toolsHost)
	if err == nil && answer != nil {
		err = json.Unmarshal(body, answer)
	}
	if err != nil {
		return fmt.Errorf("%s: %w: %.200q", script, err, body)
	}
	return nil
}

func (s *scene) links() (all []string) {
	for _, name := range s.names {
		all = append(all, filepath.Join(s.root, "www", name))
	}
	return all
}
