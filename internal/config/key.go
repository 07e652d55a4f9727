package config

import (
	"fmt"
	"strconv"
	"strings"
)

// child names a key below another one: apps.booking, or apps."a.b" where the
// dot would mislead.
func child(key, name string) string {
	if strings.ContainsAny(name, ".[]\" \t\r\n") || name == "" || !plain(name) {
		name = strconv.Quote(name)
	}
	if key == "" {
		return name
	}
	return key + "." + name
}

func item(key string, index int) string { return fmt.Sprintf("%s[%d]", key, index) }

// parent is the key around a key; "" is the file.
func parent(key string) string {
	quoted := false
	for i := len(key) - 1; i >= 0; i-- {
		switch {
		case key[i] == '"' && (i == 0 || key[i-1] != '\\'):
			quoted = !quoted
		case !quoted && (key[i] == '.' || key[i] == '['):
			return key[:i]
		}
	}
	return ""
}
