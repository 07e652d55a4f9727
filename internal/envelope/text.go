package envelope

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Text is a string on its way to or from a script. JSON carries only UTF-8 and
// a file name is any bytes: what is not UTF-8 travels as a NUL byte followed by
// base64, since no path can begin with NUL.
type Text string

func (t Text) MarshalJSON() ([]byte, error) { return json.Marshal(escape(string(t))) }

func (t *Text) UnmarshalJSON(data []byte) error {
	var s string
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	plain, err := Unescape(s)
	*t = Text(plain)
	return err
}

// Texts is a list of Text that is encoded as plain strings in one go.
type Texts []string

func (p Texts) MarshalJSON() ([]byte, error) {
	escaped := make([]string, len(p))
	for i, s := range p {
		escaped[i] = escape(s)
	}
	return json.Marshal(escaped)
}

func (p *Texts) UnmarshalJSON(data []byte) error {
	var list []string
	if err := json.Unmarshal(data, &list); err != nil {
		return err
	}
	for i, s := range list {
		plain, err := Unescape(s)
		if err != nil {
			return err
		}
		list[i] = plain
	}
	*p = list
	return nil
}

func escape(s string) string {
	if utf8.ValidString(s) && !strings.HasPrefix(s, "\x00") {
		return s
	}
	return "\x00" + base64.StdEncoding.EncodeToString([]byte(s))
}

// Unescape gives the string that travelled as a Text.
func Unescape(s string) (string, error) {
	encoded, ok := strings.CutPrefix(s, "\x00")
	if !ok {
		return s, nil
	}
	plain, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("string %q: %w", s, err)
	}
	return string(plain), nil
}
