package compare

import (
	"context"
	"time"

	"relink/internal/sandbox/app"
)

// parts make, with the four pages, the generated application.
const parts = 297

// Generated is a small application: 301 files, of which a deploy changes seven.
var Generated = Subject{
	Name: "generated", About: "a generated application of 301 files, of which a deploy changes 7",
	Make:  func(ctx context.Context, dir string) (*app.Line, error) { return app.Generated(ctx, dir, parts) },
	Sites: 30, Clients: 6, Rate: 50, Memory: 512, Visit: time.Second, Tail: time.Second,
}
