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

// MediaWiki is a large one: some 23,500 files, of which a deploy changes two.
func MediaWiki(packages string) Subject {
	return Subject{
		Name: "mediawiki", About: "MediaWiki from Debian's packages, of whose files a deploy changes 2",
		Make:  func(ctx context.Context, dir string) (*app.Line, error) { return app.MediaWiki(ctx, packages, dir) },
		Sites: 10, Clients: 3, Rate: 3, Memory: 512, Visit: 4 * time.Second, Tail: 4 * time.Second,
	}
}
