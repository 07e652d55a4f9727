package main

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"relink/deploy/fleet/ca"
	"relink/internal/cli"
	"relink/internal/config"
	"relink/internal/exit"
	"relink/internal/hint"
)

var (
	dataFlag    = &cli.StringFlag{Name: "data", Usage: "the `FOLDER` of this member", Value: "/var/lib/relink-etcd"}
	addressFlag = &cli.StringFlag{Name: "address", Usage: "at which others reach this host, as `IP`; default: the first of its certificate"}
)

func commands(env *cli.Env) []*cli.Command {
	flags := []cli.Flag{dataFlag, addressFlag}
	return []*cli.Command{{
		Name: "init", Usage: "make the data of the first member, on the host with the authority", Flags: flags,
		Description: "Hosts that join later become members by themselves, and get their data from the others.",
		Action:      with(env, initialize),
	}, {
		Name: "serve", Usage: "be a member, until SIGTERM", Flags: flags,
		Description: "A host without data asks the one with the authority to let it be a member.",
		Action:      with(env, serve),
	}, {
		Name: "alone", Usage: "make this the only member, where the others are lost for good", Flags: flags,
		Description: "To be run while relink-etcd does not. What only the others knew is lost.",
		Action:      with(env, alone),
	}}
}

func with(env *cli.Env, do func(context.Context, member) error) cli.ActionFunc {
	return env.Action(func(ctx context.Context, c *cli.Call) error {
		settings, err := config.Load(c.ConfigFile)
		if err != nil {
			return err
		}
		if settings.Fleet == nil {
			return hint.With(exit.Usagef("%s: this host is in no fleet", settings.Path), "relink fleet init and relink fleet join print what to write there")
		}
		machine, err := os.Hostname()
		if err != nil && settings.Fleet.Host == "" {
			return fmt.Errorf("fleet.host: %w", err)
		}
		m := member{Fleet: settings.Fleet.At(machine), log: *c.Log(), out: c.Out}
		if m.data, err = filepath.Abs(c.String("data")); err != nil {
			return err
		}
		if m.address, err = addressOf(m.folder(), c.String("address")); err != nil {
			return err
		}
		return do(ctx, m)
	}, "text")
}

// addressOf is where this host is reached: as given, or as its certificate says first.
func addressOf(f ca.Folder, given string) (a netip.Addr, err error) {
	if given != "" {
		if a, err = netip.ParseAddr(given); err != nil || a.Zone() != "" {
			err = exit.Usagef("--address: %q is no IP address", given)
		}
		return a, err
	}
	own, err := f.Host()
	if err != nil {
		return a, hint.With(fmt.Errorf("the certificate of this host: %w", err), "relink fleet init or relink fleet join gives it one")
	}
	h := ca.HostOf(own)
	if len(h.Addresses) == 0 {
		return a, hint.With(exit.Usagef("the certificate of %s has no address that others could reach", h.Name), "give --address to relink fleet init, or to relink fleet token")
	}
	return h.Addresses[0], nil
}
