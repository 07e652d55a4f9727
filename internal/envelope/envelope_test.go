package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"relink/internal/damagetest"
)

const testNonce = "0123456789abcdef0123456789abcdef"

func sealed(nonce, payload string) string {
	return fmt.Sprintf("\nRELINK1:%s:%d:%08x\n%s\n", nonce, len(payload), crc32.ChecksumIEEE([]byte(payload)), payload)
}

func TestEnvelope(t *testing.T) {
	const payload = `{"a":"line\nRELINK1:"}`
	whole := sealed(testNonce, payload)
	stale := sealed(strings.Repeat("f", 32), "old")
	begun := strings.Index(whole, testNonce) + len(testNonce)
	for name, c := range map[string]struct {
		noise string
		want  error
	}{
		"alone":                 {whole, nil},
		"noise before":          {"PHP message: PHP Warning: x\n<html>" + whole, nil},
		"noise after":           {whole + "Fatal error", nil},
		"noise without a break": {"noise" + strings.TrimSpace(whole), nil},
		"another's before":      {stale + whole, nil},
		"a forged mark before":  {"RELINK1:" + testNonce + ":zzz\n" + whole, nil},
		"a forged sum before":   {"RELINK1:" + testNonce + ":3:00000000\nabc" + whole, nil},
		"a cut one before":      {whole[:len(whole)-8] + whole, nil},
		"nothing":               {"", ErrCorrupt},
		"only noise":            {"<html>Internal error</html>", ErrCorrupt},
		"only another's":        {stale, ErrCorrupt},
		"cut in the payload":    {whole[:len(whole)-2], ErrTruncated},
		"cut in the checksum":   {whole[:begun+6], ErrTruncated},
		"cut in the length":     {whole[:begun+2], ErrTruncated},
		"cut in the nonce":      {whole[:begun-3], ErrTruncated},
		"a flipped bit":         {strings.Replace(whole, "line", "lime", 1), ErrCorrupt},
		"a line inside":         {strings.Replace(whole, `"a"`, "PHP message\n\"a\"", 1), ErrCorrupt},
		"a negative length":     {"RELINK1:" + testNonce + ":-1:00000000\n" + strings.Repeat("x", 50), ErrCorrupt},
		"an enormous length":    {"RELINK1:" + testNonce + ":9223372036854775807:00000000\nx", ErrTruncated},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Agent.Open([]byte(c.noise), testNonce)
			if !errors.Is(err, c.want) || c.want == nil && string(got) != payload {
				t.Errorf("%q, %v, want %v", got, err, c.want)
			}
		})
	}
}

// Every cut of an answer is noticed.
func TestEnvelopeCuts(t *testing.T) {
	whole := strings.TrimSuffix(sealed(testNonce, `{"result":{}}`), "\n")
	for n := range len(whole) {
		if got, err := Agent.Open([]byte(whole[:n]), testNonce); err == nil {
			t.Errorf("cut at %d of %d passes as %q", n, len(whole), got)
		}
	}
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte("noise"), []byte(`{"a":1}`), []byte("more"), 3)
	f.Add([]byte("RELINK1:"+testNonce+":5:"), []byte(""), []byte(""), 0)
	f.Add([]byte("RELINK1:"+testNonce[:9]), []byte("RELINK1:"), []byte("\n"), 9)
	for text := range damagetest.Of([]byte(sealed(testNonce, `{"a":1}`))) {
		f.Add(text, []byte(nil), []byte(nil), 0)
	}
	f.Fuzz(func(t *testing.T, before, payload, after []byte, cut int) {
		if bytes.Contains(before, []byte(testNonce)) {
			Agent.Open(append(before, payload...), testNonce)
			return
		}
		whole := append([]byte(nil), before...)
		whole = append(whole, sealed(testNonce, string(payload))...)
		end := len(whole) - 1
		whole = append(whole, after...)
		if got, err := Agent.Open(whole, testNonce); err != nil || !bytes.Equal(got, payload) {
			t.Fatalf("%q, %v", got, err)
		}
		if cut >= 0 && cut < end {
			if got, err := Agent.Open(whole[:cut], testNonce); err == nil {
				t.Fatalf("cut at %d passes as %q", cut, got)
			}
		}
	})
}

func TestExcerpt(t *testing.T) {
	for body, want := range map[string]string{
		"":                       "nothing",
		" release v2\n":          `"release v2"`,
		strings.Repeat("x", 300): `"` + strings.Repeat("x", 200) + `"...`,
		"<!DOCTYPE HTML PUBLIC \"-//IETF//DTD HTML 2.0//EN\">\n<html><head>\n<title>403 Forbidden</title>\n</head>": `a page with the title "403 Forbidden"`,
		"<html lang=de><TITLE>\n Gleich\x1b[31m zurück </TITLE>":                                                    `a page with the title "Gleich\x1b[31m zurück"`,
		"<html><body><b>Fatal error</b>: out of memory":                                                             `"<html><body><b>Fatal error</b>: out of memory"`,
		"<html>" + strings.Repeat(" ", 3000) + "<title>far</title>":                                                 `"<html>` + strings.Repeat(" ", 194) + `"...`,
		"text with <title>a title</title>":                                                                          `"text with <title>a title</title>"`,
	} {
		if got := Excerpt([]byte(body)); got != want {
			t.Errorf("%q: %s, want %s", body, got, want)
		}
	}
}
