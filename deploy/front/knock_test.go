package front

import (
	"os"
	"slices"
	"strconv"
	"testing"

	"relink/internal/sandbox"
	"relink/php/probe"
)

// Whoever answers tells by its process how many others there are, and so how many sites may
// be asked at the same time.
func TestKnock(t *testing.T) {
	const sites = 20
	for name, c := range map[string]struct {
		options sandbox.Options
		atOnce  []int // of the first few, and of the others
	}{
		"a large pool":   {sandbox.Options{Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 24}, {Name: "other", Workers: 1}}}}}, []int{4, 6}},
		"a small pool":   {sandbox.Options{Masters: []sandbox.Master{{Pools: []sandbox.Pool{{Name: "www", Workers: 3}, {Name: "other", Workers: 40}}}}}, []int{4, 1}},
		"mod_php":        {sandbox.Options{Web: sandbox.WebApachePrefork, Children: 12}, []int{4, 3}},
		"nobody answers": {sandbox.Options{}, []int{4, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root, err := sandbox.TempRoot()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(root) })
			c.options.Root = root + "/s"
			if err := os.Mkdir(root+"/www", 0o755); err != nil {
				t.Fatal(err)
			}
			c.options.Sites = []sandbox.Site{{Host: "site.test", DocumentRoot: root + "/www"}}
			server, err := sandbox.Start(t.Context(), c.options)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := server.Stop(); err != nil {
					t.Error(err)
				}
			})
			secret, err := probe.EnsureSecret(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			if name != "nobody answers" {
				if err := secret.Install(root+"/www", ".", "app", root); err != nil {
					t.Fatal(err)
				}
			}
			doors := make([]probe.Door, sites)
			for i := range doors {
				doors[i] = secret.Door("app", server.URL()+"/", "site.test")
				doors[i].Site = strconv.Itoa(i)
			}
			var asked []int
			heard := Knock(t.Context(), doors, func(n int) int {
				asked = append(asked, n)
				return n
			})
			if !slices.Equal(asked, c.atOnce) || len(heard) != sites {
				t.Errorf("%d sites heard, %v at once, want %v", len(heard), asked, c.atOnce)
			}
			for i, one := range heard {
				if one.Door.Site != strconv.Itoa(i) || (one.Err == nil) != (name != "nobody answers") {
					t.Errorf("site %d: %+v", i, one)
				}
			}
		})
	}
}
