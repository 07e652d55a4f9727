package probe

import (
	"errors"
	"testing"

	"relink/internal/damagetest"
	"relink/internal/envelope"
)

func FuzzAnswer(f *testing.F) {
	const nonce = "0123456789abcdef0123456789abcdef"
	f.Add([]byte("\nRELINKP1:" + nonce + ":2:ec3a1f6d\n{}\n"))
	f.Add([]byte(`{"file":"/srv/a.php","filename":"/var/www/a.php","document_root":"\u0000L2NhZuk=","context_root":"","script_name":"/a.php","sapi":"fpm-fcgi","php":"8.2.36","thread_safe":false,"pid":12,"parent":11,"cache_start":1700000000,"revalidate_path":false,"validate_timestamps":true,"user_ini":".user.ini"}`))
	f.Add([]byte(`{"refused":"missing","file":"/agent/relink-agent-0123456789abcdef.php"}`))
	f.Add([]byte(`{"file":"\u0000!"}`))
	for text := range damagetest.Of([]byte("\nRELINKP1:" + nonce + ":2:ec3a1f6d\n{}\n")) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if payload, err := envelope.Probe.Open(data, nonce); err == nil {
			parse(payload)
			refusal(payload)
		}
		answer, err := parse(data)
		switch {
		case err != nil && !errors.Is(err, envelope.ErrCorrupt):
			t.Errorf("%v is no ErrCorrupt", err)
		case err == nil && (answer.File == "" || answer.SAPI == "" || answer.PID < 0 || answer.ParentPID < 0):
			t.Errorf("%+v passes", answer)
		}
	})
}
