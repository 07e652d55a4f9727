package ui

import "testing"

func TestPasswordsAreMasked(t *testing.T) {
	for text, want := range map[string]string{
		"git: https://u:p4ss@h/x":           "git: https://u:***@h/x",
		"https://:tok@h":                    "https://:***@h",
		"https://token@h":                   "https://***@h",
		"ssh://git@h:22/x and a@b":          "ssh://git@h:22/x and a@b",
		"a https://a:b@c b https://d:efg@h": "a https://a:***@c b https://d:***@h",
	} {
		if got := Mask(text); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
