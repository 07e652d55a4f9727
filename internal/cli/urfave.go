package cli

import "github.com/urfave/cli/v2"

// What commands and their flags are declared with, so that only this package
// knows the library that reads them.
type (
	ActionFunc      = cli.ActionFunc
	Command         = cli.Command
	Flag            = cli.Flag
	BoolFlag        = cli.BoolFlag
	DurationFlag    = cli.DurationFlag
	IntFlag         = cli.IntFlag
	StringFlag      = cli.StringFlag
	StringSliceFlag = cli.StringSliceFlag
)
