package archive

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"relink/deploy/source"
	"relink/deploy/source/sourcetest"
	"relink/internal/tree"

	"github.com/google/go-cmp/cmp"
)

func TestConformance(t *testing.T) {
	for name, options := range map[string]string{"tar": "--create", "tar.gz": "--create --gzip"} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T, tree string) source.Source {
				base := filepath.Dir(tree)
				args := append(strings.Fields(options), "--file", filepath.Join(base, "app-v1."+name), "--directory", base, "v1")
				if out, err := exec.Command("tar", args...).CombinedOutput(); err != nil {
					t.Fatalf("tar: %v\n%s", err, out)
				}
				return New(filepath.Join(base, "app-{ref}."+name))
			})
		})
	}
}

func TestArchive(t *testing.T) {
	console := file("app-1/bin/größe console", "#!/bin/sh")
	console.mode = 0o6777
	nobody := file("app-1/nobody", "x")
	nobody.mode = 0
	closed := dir("app-1/closed")
	closed.mode = 0o500
	items := []item{dir("app-1/"), closed, file("app-1/closed/in", "in"), file("app-1/public/index.php", "<?php"), console, nobody,
		link("app-1/current", "public/index.php"), link("app-1/nowhere", "public/later")}
	want := map[string]string{
		"bin": "drwxr-xr-x", "bin/größe console": "-rwxr-xr-x #!/bin/sh", "closed": "dr-x------", "closed/in": "-rw-r--r-- in", "nobody": "-rw-r--r-- x",
		"public": "drwxr-xr-x", "public/index.php": "-rw-r--r-- <?php", "current": "-> public/index.php", "nowhere": "-> public/later",
	}
	want["closed"] = "drwx------" // the owner must be able to remove it
	for format, make := range formats {
		t.Run(format, func(t *testing.T) {
			var last int64
			a := saved(t, make(t, items))
			r, err := a.Resolve(t.Context(), "v1")
			if err != nil {
				t.Fatal(err)
			}
			into := sourcetest.Staging(t)
			if err := r.Fetch(t.Context(), into, func(done, total int64) { last = done }); err != nil {
				t.Fatal(err)
			}
			got := sourcetest.Tree(t, into)
			if format == "zip" { // archive/zip turns a mode of 0 into 0
				delete(got, "x")
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if r.Bytes != 17 || last != 17 || r.Inodes != 10 || r.Label != "v1" {
				t.Errorf("announced %d bytes, wrote %d, %d inodes, label %s", r.Bytes, last, r.Inodes, r.Label)
			}
			for _, name := range []string{"public/index.php", "closed", "current"} {
				if info, err := os.Lstat(filepath.Join(into, name)); err != nil || !info.ModTime().Equal(written) {
					t.Errorf("%s has time %v, %v", name, info.ModTime(), err)
				}
			}
		})
	}
}

func TestArchiveTopFolder(t *testing.T) {
	for name, test := range map[string]struct {
		items []item
		want  string
	}{
		"one folder":                 {[]item{file("app/a", "1"), file("app/b/c", "1")}, "a"},
		"a file beside":              {[]item{file("app/a", "1"), file("b", "1")}, "app/a"},
		"two folders":                {[]item{file("app/a", "1"), file("b/c", "1")}, "app/a"},
		"an empty folder beside":     {[]item{file("app/a", "1"), dir("b/")}, "app/a"},
		"the folder itself is named": {[]item{dir("./"), file("./app/a", "1")}, "app/a"},
		"one file":                   {[]item{file("a", "1")}, "a"},
	} {
		t.Run(name, func(t *testing.T) {
			_, into := sourcetest.Fetch(t, saved(t, makeTar(t, test.items)), "v1")
			sourcetest.WantFile(t, filepath.Join(into, test.want), "1")
		})
	}
}

func TestArchiveByGit(t *testing.T) {
	repository := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		args = append([]string{"-C", repository, "-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgSign=false"}, args...)
		out, err := exec.Command("git", args...).CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	for _, hooks := range []string{"GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"} {
		t.Setenv(hooks, "") // for the test to clean up
		os.Unsetenv(hooks)
	}
	git("init", "--quiet")
	sourcetest.WriteFile(t, filepath.Join(repository, "public/index.php"), "<?php echo 1;")
	git("add", "--all")
	git("commit", "--quiet", "--message", "first")
	first := git("rev-parse", "HEAD")
	for _, format := range []string{"tar", "tar.gz", "zip"} {
		name := filepath.Join(t.TempDir(), "app-v1")
		git("archive", "--format="+format, "--prefix=app/", "--output="+name, first)
		resolved, into := sourcetest.Fetch(t, New(filepath.Join(filepath.Dir(name), "app-{ref}")), "v1")
		sourcetest.WantFile(t, filepath.Join(into, "public/index.php"), "<?php echo 1;")
		if resolved.Commit != first {
			t.Errorf("%s: commit is %q, want %s", format, resolved.Commit, first)
		}
	}
}

// tar writes the one over the other.
func TestArchiveWithAnEntryTwice(t *testing.T) {
	for name, test := range map[string]struct {
		items []item
		want  map[string]string
	}{
		"files":             {[]item{file("a", "1"), file("./a", "22")}, map[string]string{"a": "-rw-r--r-- 22"}},
		"a link, a file":    {[]item{link("a", "b"), file("a", "1"), file("b", "2")}, map[string]string{"a": "-rw-r--r-- 1", "b": "-rw-r--r-- 2"}},
		"a bad link, right": {[]item{link("a", "/etc"), link("a", "b"), file("b", "2")}, map[string]string{"a": "-> b", "b": "-rw-r--r-- 2"}},
		"a file, a link":    {[]item{file("a", "1"), link("a", "b"), file("b", "2")}, map[string]string{"a": "-> b", "b": "-rw-r--r-- 2"}},
		"a hard link keeps": {[]item{file("a", "1"), hard("h", "a"), file("a", "2")}, map[string]string{"a": "-rw-r--r-- 2", "h": "-rw-r--r-- 1"}},
		"a hard link over":  {[]item{file("a", "1"), file("h", "2"), hard("h", "a"), hard("a", "a")}, map[string]string{"a": "-rw-r--r-- 1", "h": "-rw-r--r-- 1"}},
	} {
		for format, make := range formats {
			if format == "zip" && strings.Contains(name, "hard") {
				continue
			}
			t.Run(name+", "+format, func(t *testing.T) {
				_, into := sourcetest.Fetch(t, saved(t, make(t, test.items)), "v1")
				if diff := cmp.Diff(test.want, sourcetest.Tree(t, into)); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

func TestArchiveOfMacOS(t *testing.T) {
	items := []item{dir("__MACOSX/"), file("__MACOSX/app/._a", "x"), file("._app", "x"), file("app/._a", "x"), file("app/a", "1"), file("app/b/__MACOSX.php", "2")}
	for format, make := range formats {
		_, into := sourcetest.Fetch(t, saved(t, make(t, items)), "v1")
		if diff := cmp.Diff(map[string]string{"a": "-rw-r--r-- 1", "b": "drwxr-xr-x", "b/__MACOSX.php": "-rw-r--r-- 2"}, sourcetest.Tree(t, into)); diff != "" {
			t.Errorf("%s: %s", format, diff)
		}
	}
}

// A list of files that archive/zip would take into memory before it can be counted.
func TestZipWithAnEndlessList(t *testing.T) {
	whole := makeZip(t, []item{file(strings.Repeat("a", 60_000), "1")})
	end := bytes.LastIndex(whole, []byte("PK\x05\x06"))
	at := bytes.Index(whole, []byte("PK\x01\x02"))
	list, times := whole[at:end], mostDirectory/(end-at)+2
	const header = 46 // of an entry of the list; its name is a hole in the file
	name, last := filepath.Join(t.TempDir(), "app-v1.archive"), bytes.Clone(whole[end:])
	binary.LittleEndian.PutUint32(last[12:], uint32(len(list)*times))
	out, err := os.Create(name)
	if err == nil {
		_, err = out.Write(whole[:at])
	}
	for i := range times {
		if err == nil {
			_, err = out.WriteAt(list[:header], int64(at+i*len(list)))
		}
	}
	if err == nil {
		_, err = out.WriteAt(last, int64(at+times*len(list)))
	}
	if err := errors.Join(err, out.Close()); err != nil {
		t.Fatal(err)
	}
	if err := refused(t, New(name)); !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestArchiveHardLinks(t *testing.T) {
	_, into := sourcetest.Fetch(t, saved(t, makeTar(t, []item{file("app/a", "1"), hard("app/b/c", "app/a")})), "v1")
	sourcetest.WantFile(t, filepath.Join(into, "b/c"), "1")
}

func TestArchiveRefusals(t *testing.T) {
	ok := file("a", "1")
	for name, test := range map[string]struct {
		items []item
		says  string
		tar   bool // only tar can say it
	}{
		"dots":                       {[]item{file("../x", "evil")}, `"../x"`, false},
		"dots inside":                {[]item{file("a/../../x", "evil")}, `"a/../../x"`, false},
		"dots that stay":             {[]item{file("a/../x", "evil")}, `"a/../x"`, false},
		"absolute":                   {[]item{file("/tmp/x", "evil")}, `"/tmp/x"`, false},
		"backslash":                  {[]item{file(`..\x`, "evil")}, `..\\x`, false},
		"newline":                    {[]item{file("a\nb", "evil")}, `"a\nb"`, false},
		"absolute link":              {[]item{ok, link("l", "/etc/passwd")}, "l: ", false},
		"link out":                   {[]item{ok, link("d/l", "../../x")}, "d/l: ", false},
		"empty link":                 {[]item{ok, link("l", "")}, `"l"`, true},
		"link out of the top folder": {[]item{file("app/a", "1"), link("app/l", "../x")}, "l: ", false},
		"through a link":             {[]item{link("l", "d"), file("l/x", "evil"), dir("d/")}, `"l/x"`, false},
		"a link over a folder":       {[]item{file("l/x", "evil"), link("l", "d")}, `"l"`, false},
		"through a file":             {[]item{ok, file("a/x", "evil")}, `"a/x"`, false},
		"a file, then a folder":      {[]item{ok, dir("a/")}, `"a"`, false},
		"links that climb together":  {[]item{ok, dir("x/y/"), link("x/y/up", "../.."), link("out", "x/y/up/../z")}, "out", false},
		"hard link out":              {[]item{ok, hard("h", "../x")}, `"h"`, true},
		"absolute hard link":         {[]item{ok, hard("h", "/etc/passwd")}, `"h"`, true},
		"hard link to a link":        {[]item{ok, link("l", "a"), hard("h", "l")}, `"h"`, true},
		"hard link to what follows":  {[]item{hard("h", "a"), ok}, `"h"`, true},
		"fifo":                       {[]item{ok, {name: "f", kind: tar.TypeFifo, mode: 0o644}}, `"f"`, false},
		"device":                     {[]item{ok, {name: "f", kind: tar.TypeBlock, mode: 0o644}}, `"f"`, true},
		"character device":           {[]item{ok, {name: "f", kind: tar.TypeChar, mode: 0o644}}, `"f"`, true},
	} {
		for format, make := range formats {
			if test.tar && format == "zip" {
				continue
			}
			t.Run(name+", "+format, func(t *testing.T) {
				err := refused(t, saved(t, make(t, test.items)))
				if !errors.Is(err, source.ErrUnsafe) || !strings.Contains(err.Error(), test.says) {
					t.Errorf("got %v, want one about %s", err, test.says)
				}
			})
		}
	}
}

// refused gives the error, of whichever step, and looks that nothing has left
// the staging folder.
func refused(t *testing.T, a *Source) error {
	t.Helper()
	r, err := a.Resolve(t.Context(), "v1")
	if err != nil {
		return err
	}
	into := sourcetest.Staging(t)
	err = r.Fetch(t.Context(), into, nil)
	if err == nil {
		err = sourcetest.CheckLinks(t, into)
	}
	if left, _ := os.ReadDir(filepath.Dir(into)); len(left) != 1 {
		t.Errorf("written outside: %v", left)
	}
	return err
}

func TestArchiveDamage(t *testing.T) {
	items := []item{file("a", strings.Repeat("0123456789", 200)), file("b", "1"), file("c", strings.Repeat("x", 512))}
	for format, make := range formats {
		whole := make(t, items)
		for _, size := range []int{0, 1, 512, len(whole) / 3, len(whole) / 2, len(whole) - 1} {
			if format == "tar" && size == len(whole)-1 {
				size = len(whole) - 2*tarBlock // one byte of the end mark is not needed
			}
			if err := refused(t, saved(t, whole[:min(size, len(whole)-1)])); !errors.Is(err, source.ErrDamaged) && !errors.Is(err, source.ErrFormat) {
				t.Errorf("%s cut to %d of %d bytes gives %v", format, size, len(whole), err)
			}
		}
		bent := bytes.Clone(whole)
		bent[50] ^= 0x55 // inside the first content, or, of a tar, in a name
		if err := refused(t, saved(t, bent)); err == nil {
			t.Errorf("%s: a changed bit goes unnoticed", format)
		}
	}
	// Cut exactly between two entries, which archive/tar takes for the end.
	whole := makeTar(t, items)
	for cut := tarBlock; cut < len(whole)-2*tarBlock; cut += tarBlock {
		if err := refused(t, saved(t, whole[:cut])); !errors.Is(err, source.ErrDamaged) {
			t.Errorf("tar cut to %d bytes gives %v", cut, err)
		}
	}
}

func TestArchiveOtherErrors(t *testing.T) {
	if err := refused(t, saved(t, []byte(strings.Repeat("text ", 500)))); !errors.Is(err, source.ErrFormat) {
		t.Errorf("a text file gives %v", err)
	} else {
		sourcetest.WantHint(t, err, "tar.zst")
	}
	for format, make := range formats {
		if err := refused(t, saved(t, make(t, []item{dir("a/")}))); !errors.Is(err, source.ErrDamaged) {
			t.Errorf("%s without files gives %v", format, err)
		}
		bomb := saved(t, make(t, []item{file("a", "1"), file("zeros", strings.Repeat("\x00", 1<<20))}))
		bomb.limit = 1 << 20
		if err := refused(t, bomb); !errors.Is(err, source.ErrTooLarge) || !strings.Contains(err.Error(), "zeros") {
			t.Errorf("%s: a bomb gives %v", format, err)
		}
	}
	a := saved(t, makeZip(t, []item{file("a", "1")}))
	if _, err := a.Resolve(t.Context(), "v2"); !errors.Is(err, source.ErrUnknownRef) {
		t.Errorf("a missing archive gives %v", err)
	} else {
		sourcetest.WantHint(t, err, "did you mean v1")
	}
	if _, err := a.Resolve(t.Context(), "../v1"); !errors.Is(err, source.ErrBadRef) {
		t.Errorf("a path for a ref gives %v", err)
	}
	if _, err := New(t.TempDir()).Resolve(t.Context(), "v1"); !errors.Is(err, source.ErrFormat) {
		t.Errorf("a folder gives %v", err)
	}
}

// An entry that claims to be small and is not.
func TestArchiveLimitIsNotTheClaim(t *testing.T) {
	c := newChecker(10)
	if err := c.check(entry{name: "a", size: 1}, strings.NewReader(strings.Repeat("x", 100))); !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

// In a tar file a name may be a megabyte long, and compress to a kilobyte.
func TestArchiveWhoseNamesFillTheMemory(t *testing.T) {
	c, long := newChecker(10), strings.Repeat("x", 1<<20)
	var err error
	for n := 0; err == nil && n <= mostNames>>20; n++ {
		_, err = c.admit(entry{name: "a", target: long, mode: fs.ModeSymlink})
	}
	if !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}

func TestArchiveThatChangesAfterResolve(t *testing.T) {
	a := saved(t, makeZip(t, []item{file("a", "1")}))
	r, err := a.Resolve(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	sourcetest.WriteFile(t, r.Source, string(makeZip(t, []item{file("b", "22222")})))
	if err := r.Fetch(t.Context(), sourcetest.Staging(t), nil); !errors.Is(err, tree.ErrChanged) {
		t.Errorf("got %v", err)
	}
}

func TestArchiveIsCancelled(t *testing.T) {
	for format, make := range formats {
		a := saved(t, make(t, []item{file("a", "1"), file("b", strings.Repeat("x", 1<<20))}))
		r, err := a.Resolve(t.Context(), "v1")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		if err := r.Fetch(ctx, sourcetest.Staging(t), func(_, _ int64) { cancel() }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: got %v", format, err)
		}
	}
}

// What is left out is no way around the limit: a sparse entry of no bytes reads as a
// petabyte of zeros.
func TestWhatIsLeftOutHasAnEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "v1.tar")
	// The header that GNU tar writes for a file of one hole.
	header := make([]byte, 512)
	copy(header, "app/._hole")
	copy(header[100:], "0000644\x000000000\x000000000\x0000000000000\x0000000000000\x00        S")
	copy(header[257:], "ustar  \x00")
	binary.BigEndian.PutUint64(header[483+4:], 1<<50)
	header[483] = 0x80
	sum := 0
	for _, b := range header {
		sum += int(b)
	}
	copy(header[148:], fmt.Sprintf("%06o\x00 ", sum))
	if err := os.WriteFile(path, append(header, make([]byte, 1024)...), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(path).Resolve(t.Context(), "v1"); !errors.Is(err, source.ErrTooLarge) {
		t.Errorf("got %v", err)
	}
}
