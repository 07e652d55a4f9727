package php_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"relink/internal/sandbox"
	"relink/php"
)

func testCompile(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{INI: map[string]string{"opcache.max_file_size": "2000"}})
	declares := "<?php function twice() { return 1; }\n"
	cases := []struct {
		file    string
		outcome php.Outcome
		reason  string
	}{
		{p.write("c/cached.php", "<?php return 1;"), php.AlreadyCached, ""},
		{p.write("c/plain.php", "<?php return 1;"), php.Compiled, ""},
		{p.write("c/parse.php", "<?php\nif (;"), php.Failed, "syntax error"},
		{p.write("c/one.php", declares), php.Compiled, ""},
		{p.write("c/two.php", declares), php.Failed, "Cannot redeclare"},
		{p.write("c/after.php", "<?php class After {}"), php.Compiled, ""},
		{p.write("c/big.php", "<?php return '"+strings.Repeat("x", 3000)+"';"), php.Failed, "max_file_size"},
		{p.write("c/new.php", "<?php return 1;"), php.TooNew, ""},
		{p.write("c/future.php", "<?php return 1;"), php.Failed, "in the future"},
		{p.www + "/c/missing.php", php.Failed, "missing.php"},
		{p.www + "/c", php.Failed, "not a file"},
	}
	p.get(cases[0].file)
	p.touch(p.www+"/c/new.php", time.Second)
	p.touch(p.www+"/c/future.php", time.Hour)
	var files []string
	for _, c := range cases {
		files = append(files, c.file)
	}
	got := check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), files, 0))
	if len(got) != len(files) {
		t.Fatalf("%+v", got)
	}
	for i, c := range cases {
		f := got[i]
		if f.Path != c.file || f.Outcome != c.outcome || !strings.Contains(f.Reason, c.reason) || (f.Reason == "") != (f.Outcome != php.Failed) {
			t.Errorf("%+v, want %s %q", f, c.outcome, c.reason)
		}
		if (f.Wait > 0) != (f.Outcome == php.TooNew) || f.Wait > 4*time.Second {
			t.Errorf("%s: wait %v", f.Path, f.Wait)
		}
	}
	again := check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), []string{p.www + "/c/two.php", p.www + "/c/plain.php"}, 0))
	if again[0].Outcome != php.Compiled || again[1].Outcome != php.AlreadyCached {
		t.Errorf("in a request of its own: %+v", again)
	}
}

func testCompileBudget(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{})
	root := p.release("r1", 2)
	files := []string{root + "/s0.php", root + "/s1.php"}
	got := check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), files, time.Microsecond))
	if len(got) != 1 || got[0].Outcome != php.Compiled {
		t.Errorf("%+v", got)
	}
}

// A file whose compilation ends PHP's request altogether takes the blame; what
// comes behind it is for the next call.
func testCompileFatal(t *testing.T, on platform) {
	small := sandbox.Pool{Name: "www", Workers: 1, Settings: map[string]string{"php_admin_value[memory_limit]": "16M"}}
	p := on.start(t, sandbox.Master{Pools: []sandbox.Pool{small}})
	root := p.release("r1", 2)
	huge := p.write("huge.php", "<?php return ["+strings.Repeat("[1,$a],", 30_000)+"];")
	got := check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), []string{root + "/s0.php", huge, root + "/s1.php"}, 0))
	if len(got) < 2 || got[0].Outcome != php.Compiled || got[1].Outcome != php.Failed || !strings.Contains(got[1].Reason, "Allowed memory size") {
		t.Errorf("%+v", got)
	}
}

func TestCompileBlacklisted(t *testing.T) {
	root := tempRoot(t)
	files := pool{t: t, www: root + "/www"}
	script := files.write("private/a.php", "<?php return 1;")
	list := files.write("blacklist", root+"/www/private/*\n")
	p := platform{}.startIn(t, root, sandbox.Master{INI: map[string]string{"opcache.blacklist_filename": list}})
	got := check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), []string{script}, 0))
	if f := got[0]; f.Outcome != php.Failed || !strings.Contains(f.Reason, "blacklist") {
		t.Errorf("%+v", f)
	}
}

func TestCompileWithoutMemory(t *testing.T) {
	p := platform{}.start(t, sandbox.Master{INI: map[string]string{"opcache.memory_consumption": "8", "opcache.interned_strings_buffer": "4"}})
	var files []string
	for i := range 8 {
		name := fmt.Sprintf("big/%d.php", i)
		files = append(files, p.write(name, "<?php return '"+strings.Repeat(string(rune('a'+i)), 1<<20)+"';"))
	}
	got := check[[]php.CompiledFile](t)(p.Compile(withTimeout(t), files, 0))
	if f := got[len(files)-1]; f.Outcome != php.Failed || !strings.Contains(f.Reason, "opcache.memory_consumption") {
		t.Errorf("%+v", f)
	}
}
