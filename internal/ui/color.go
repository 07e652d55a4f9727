package ui

// Colors colours text by ANSI sequences, or leaves it as it is.
type Colors bool

func (c Colors) Red(s string) string    { return c.wrap("31", s) }
func (c Colors) Green(s string) string  { return c.wrap("32", s) }
func (c Colors) Yellow(s string) string { return c.wrap("33", s) }
func (c Colors) Bold(s string) string   { return c.wrap("1", s) }

func (c Colors) wrap(code, s string) string {
	if !c || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
