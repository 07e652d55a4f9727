package outcome

// StepDoc tells what a step does, for the manual.
type StepDoc struct {
	Name   string
	Does   string
	Serves string // what visitors get when it has ended
}

// Steps are those of a deploy, in order. A rollback and a deploy to some instances
// are the same steps with other links; a rollback has "choose" in place of resolve
// and stage.
var Steps = []StepDoc{
	{"recover", "finishes or undoes what an interrupted deploy left", "old"},
	{"preflight", "looks at configuration, links, pools, disk and inodes. Asks each instance through its own web server which PHP serves it, and how scripts are named to that. A PHP that no pool leads to, and workers that nothing reaches, are refused here", "old"},
	{"resolve", "finds out what the ref means", "old"},
	{"choose", "of a rollback: finds the release to go back to", "old"},
	{"stage", "fetches the release beside the others, links the shared entries, runs the build hooks, seals it (fsync, manifest) and renames it to its id. If another instance is on a release of the same commit, that one is shared", "old"},
	{"separate", "*keyed* only: gives the instances that would stay on a release that others leave a repeat of it", "old"},
	{"observe", "notes which scripts of the old release are live in OPcache", "old"},
	{"room", "tells whether the new release fits into OPcache beside the old one. Where it does not, a restart is done now if that frees enough for both, else it comes with the switch. Looks whether `opcache.preload`, a `.user.ini` or settings in the release need new PHP processes, and tries those first", "old"},
	{"assets", "gives the releases that meet at the switch each other's files below `assets`", "old"},
	{"warm", "compiles the same scripts of the new release, in slices, in one worker of each pool", "old"},
	{"before_switch", "runs the hooks of that name", "old"},
	{"ask", "asks for the front page of each instance that has no check of its own", "old"},
	{"quiet", "only where a restart comes with the switch: waits until nothing speaks against it, `restart.wait` at most", "old"},
	{"prepare", "makes the new links, and Apache's map, under temporary names, and writes the journal", "old"},
	{"barrier", "of a fleet only: waits until all hosts are ready", "old"},
	{"switch", "renames each link into place, then the map. The cut-over in *resolved*, and where PHP-FPM is reloaded in the same moment (`opcache.preload`)", "old, from the caches; in *resolved* new"},
	{"sweep", "has every idle worker drop its realpath cache, proven by its pid; not in *resolved*. The cut-over in *revalidated*", "old, from the caches; in *revalidated* new"},
	{"renew", "only where a restart comes with the switch: restarts, and compiles the new release at once. The cut-over then", "new"},
	{"invalidate", "*keyed* only: invalidates all that OPcache holds below the path that was left, in one request. The cut-over, unless it was before. With `--apcu` APCu is cleared in the same step, in every set-up", "new"},
	{"check", "asks each instance, by its check or its front page. On failure the links go back by the same steps", "new, or old again"},
	{"verdict", "of a fleet only: waits until all hosts have checked. Where one has failed, the links go back by the same steps", "new, or old again"},
	{"after_switch", "runs the hooks of that name", "new"},
	{"settle", "sweeps the workers that were busy as they come free, and invalidates what they brought back; with `--apcu` APCu is cleared once more then, in *keyed* always. Not waited for in *resolved*", "new"},
	{"front_door", "asks each instance once more through its own web server: it has to show the new release, from a cache that was swept", "new"},
	{"retire", "when the last request that began before the cut-over has ended: invalidates what is left of releases that no link leads to", "new"},
	{"restart", "compares the cache's figures with the bounds. A restart is for memory, never for correctness", "new"},
	{"done", "writes the history, and ends the journal", "new"},
	{"prune", "removes releases that are neither in use nor kept, and what `opcache.file_cache` keeps of releases that are gone", "new"},
}
