package php

import (
	"encoding/json"
	"errors"
	"testing"

	"relink/internal/damagetest"

	"github.com/google/go-cmp/cmp"
)

func TestStringsSurviveJSON(t *testing.T) {
	all := paths{"", "/var/www/club 1/é.php", "latin1 \xe9", "\xff\xfe", "\x00leading", "<&>\u2028\"\\"}
	data, err := json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	var back paths
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(all, back); diff != "" {
		t.Error(diff)
	}
	for _, s := range all {
		data, err := json.Marshal(text(s))
		var one text
		if errBack := json.Unmarshal(data, &one); err != nil || errBack != nil || string(one) != s {
			t.Errorf("%q became %q (%v, %v)", s, one, err, errBack)
		}
	}
}

func TestBadAnswersAreCorrupt(t *testing.T) {
	for _, payload := range []string{
		`[]`, `{"worker":1}`, `{"result":{"files":[["odd","",0]],"next":1}}`, `{"result":{"files":["\u0000!"]}}`, `{"result":[]}`, `{`,
	} {
		var out wireCompile
		if _, err := decode([]byte(payload), &out); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", payload, err)
		}
	}
	short := wireScripts{Paths: paths{"a", "b"}, Live: "1"}
	if _, err := short.scripts(); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
	many := wireCompile{Files: make([]CompiledFile, 2)}
	if _, err := many.files([]string{"a"}, nil); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"worker":{"pid":1,"parent":2,"php":"8.2.0","sapi":"fpm-fcgi","time":1.5},"error":null,"result":{"paths":["/a"],"live":"1","hits":[1],"memory":[2],"used":[3]}}`))
	for text := range damagetest.Of([]byte(`{"worker":{"pid":1},"error":null,"result":{"paths":["/a"],"live":"1","hits":[1],"memory":[2]}}`)) {
		f.Add(text)
	}
	f.Add([]byte(`{"worker":{},"error":{"code":"function","message":"getmypid"},"result":{}}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		var scripts wireScripts
		if _, err := decode(payload, &scripts); err == nil {
			scripts.scripts()
		}
		var compiled wireCompile
		_, err := decode(payload, &compiled)
		compiled.files([]string{"a", "b"}, err)
	})
}

func TestShorthandBytes(t *testing.T) {
	for value, want := range map[string]int64{"": 0, "4096K": 4 << 20, "-1": -1, "128M": 128 << 20, "1g": 1 << 30, " 7 ": 7, "x": 0} {
		if got := (directives{"a": text(value)}).bytes("a"); got != want {
			t.Errorf("%q: %d, want %d", value, got, want)
		}
	}
}
