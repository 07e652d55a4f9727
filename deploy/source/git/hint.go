package git

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"

	"relink/deploy/source"
	"relink/internal/hint"
)

// reasons are what git and ssh say, and what to do about it; the first match counts.
var reasons = []struct {
	said   []string
	advice string
}{
	{[]string{"Permission denied (publickey"}, "give the user that runs relink an SSH key that the repository accepts (a deploy key), without a passphrase or with an agent"},
	{[]string{"Host key verification failed"}, "add the server's host key to the known_hosts of the user that runs relink (ssh-keyscan), after comparing it"},
	{[]string{"could not read Username", "could not read Password"}, "configure a git credential helper, or use SSH with a deploy key: relink never asks for a password"},
	{[]string{"returned error: 403"}, "the server refuses it: look at the rights that the credentials (git credential helper) or the deploy key of the user who runs relink have there, and at the address in source.git"},
	{[]string{"Authentication failed"}, "correct the credentials of the repository: git was refused with those it has"},
	{[]string{"Could not resolve host"}, "correct the host name in source.git, or look at this machine's name resolution"},
	{[]string{"Connection timed out", "Failed to connect", "Connection refused"}, "look at the network and the firewall between this machine and the repository"},
	{[]string{"No space left on device"}, `run "relink prune", or enlarge the file system`},
	{[]string{"does not appear to be a git repository", "does not exist", "not found"}, "correct source.git: it must be an address or a path that git can fetch from"},
	{[]string{"transport '"}, "use a file, git, http, https or ssh address"},
	{[]string{"Permission denied"}, "let the user that runs relink read the repository"},
}

// ownership is git's refusal to work for one user in the repository of another
// (CVE-2022-24765). To trust it is for the administrator to say, not for relink.
var ownership = regexp.MustCompile(`dubious ownership in repository at '([^']+)'`)

func (c *repoCache) unreachable(err error) error {
	if errors.Is(err, exec.ErrNotFound) {
		return err // git itself is missing
	}
	return hint.With(fmt.Errorf("repository %s: %w: %w", c.name(), source.ErrUnreachable, err), "%s", c.advice(err.Error()))
}

func (c *repoCache) advice(said string) string {
	if m := ownership.FindStringSubmatch(said); m != nil {
		return fmt.Sprintf(`the repository belongs to another user: if you trust it, run "git config --global --add safe.directory '%s'" as the user that runs relink`, m[1])
	}
	for _, reason := range reasons {
		if slices.ContainsFunc(reason.said, func(one string) bool { return strings.Contains(said, one) }) {
			return reason.advice
		}
	}
	return fmt.Sprintf(`run "git ls-remote %s" as the user that runs relink`, c.name())
}
