package archive

import (
	"archive/tar"
	"slices"
	"strings"
	"testing"

	"relink/deploy/source"
	"relink/deploy/source/sourcetest"
)

// Of names that an archive has twice the last counts; what a hard link leads to is there.
func TestAnUpdateLeavesOutWhatIsTheSame(t *testing.T) {
	before := []item{file("app/same", "same"), file("app/changed", "1"), file("app/twice", "old")}
	for name, test := range map[string]struct {
		items         []item
		kept, brought string
	}{
		"a file has changed":         {[]item{file("app/same", "same"), file("app/changed", "2")}, "same", "changed: 2"},
		"other permissions":          {[]item{{name: "app/same", content: "same", kind: tar.TypeReg, mode: 0o755}, file("app/b", "b")}, "", "b: b, same: same"},
		"twice, the last is another": {[]item{file("app/twice", "old"), file("app/twice", "new"), file("app/same", "same")}, "same", "twice: new"},
		"twice, the last is the old": {[]item{file("app/twice", "new"), file("app/twice", "old"), file("app/same", "same")}, "same twice", ""},
		"a hard link to the same":    {[]item{file("app/same", "same"), hard("app/h", "app/same")}, "", "h: same, same: same"},
	} {
		t.Run(name, func(t *testing.T) {
			old, into := sourcetest.Fetch(t, saved(t, makeTar(t, before)), "v1")
			base := sourcetest.BaseOf(t, old, into)
			r, err := saved(t, makeTar(t, test.items)).Resolve(t.Context(), "v1")
			if err != nil {
				t.Fatal(err)
			}
			second := sourcetest.Staging(t)
			keeps, err := r.Fetcher.(source.Updater).Update(t.Context(), second, base, nil)
			if err != nil {
				t.Fatal(err)
			}
			kept := slices.DeleteFunc([]string{"changed", "same", "twice"}, func(name string) bool { return !keeps(name) })
			var brought []string
			for at, text := range sourcetest.Tree(t, second) {
				brought = append(brought, at+": "+text[strings.IndexByte(text, ' ')+1:])
			}
			slices.Sort(brought)
			if strings.Join(kept, " ") != test.kept || strings.Join(brought, ", ") != test.brought {
				t.Errorf("kept %q, brought %q", kept, brought)
			}
		})
	}
}
