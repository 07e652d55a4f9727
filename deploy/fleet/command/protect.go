package command

import (
	"context"
	"fmt"
	"io"

	"relink/deploy/fleet/admin"
	"relink/deploy/fleet/ca"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
	"relink/internal/ui"
)

// protect has etcd let each host reach what is the fleet's, and nothing else.
func protect(ctx context.Context, f config.Fleet, out io.Writer) error {
	if !admin.Is(f) {
		return hint.With(exit.Usagef("%s is not the authority by which this host asks etcd (fleet.etcd.ca)", ca.Folder(f.Dir).CA()),
			"run it on the host where relink fleet init was run; docs/fleet.md says what to do in an etcd with certificates of its own")
	}
	hosts, err := ca.Folder(f.Dir).Names()
	if err != nil {
		return err
	}
	if err := admin.With(ctx, f, func(a *admin.Admin) error { return a.Protect(ctx, hosts) }); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "etcd lets %s read and write below /relink/%s/, by the role %s, and nowhere else.\n", ui.Plural(len(hosts), "host"), f.Name, admin.Role(f.Name))
	return err
}
