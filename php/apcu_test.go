package php_test

import (
	"errors"
	"testing"

	"relink/internal/sandbox"
	"relink/php"
)

// One call clears it for all pools of a master. The PHPs of other Debians
// (.ci/setup php) may have none.
func testAPCu(t *testing.T, on platform) {
	p := on.start(t, sandbox.Master{Pools: []sandbox.Pool{{Name: "www", Workers: 2}, {Name: "second", Workers: 2}}})
	p.write("there.php", "<?php echo extension_loaded('apcu') ? 'yes' : 'no';")
	there := p.get(p.www+"/there.php") == "yes"
	if !there && on == (platform{}) {
		t.Fatal("this machine's PHP has no APCu: run .ci/setup test")
	}
	p.write("store.php", "<?php apcu_store('a', str_repeat('x', 5000)); apcu_store('b', 1); echo 'stored';")
	p.write("look.php", "<?php echo apcu_exists('a') ? 'kept' : 'gone';")
	if there {
		p.wantBody(p.www+"/store.php", "stored")
	}
	held := check[php.APCu](t)(p.ClearAPCu(withTimeout(t)))
	if held.There != there || there && (held.Entries != 2 || held.Bytes < 5000) {
		t.Errorf("%+v", held)
	}
	if there {
		p.wantBody(p.www+"/look.php", "gone")
	}
	if again := check[php.APCu](t)(p.ClearAPCu(withTimeout(t))); again.Entries != 0 || again.There != there {
		t.Errorf("%+v", again)
	}
}

func TestAPCuThatIsOffOrDisabled(t *testing.T) {
	off := platform{}.start(t, sandbox.Master{INI: map[string]string{"apc.enabled": "0"}})
	if held := check[php.APCu](t)(off.ClearAPCu(withTimeout(t))); held != (php.APCu{}) {
		t.Errorf("%+v", held)
	}
	disabled := platform{}.start(t, sandbox.Master{INI: map[string]string{"disable_functions": "apcu_clear_cache"}})
	if _, err := disabled.ClearAPCu(withTimeout(t)); !errors.Is(err, php.ErrFunctionDisabled) {
		t.Errorf("%v", err)
	}
}
