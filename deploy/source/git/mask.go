package git

import (
	"net/url"
	"strings"

	"relink/internal/ui"
)

// secrets are the ways in which the password of address may turn up in what git
// says about it.
func secrets(address string) []string {
	_, rest, ok := strings.Cut(address, "://")
	if !ok {
		return nil
	}
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(authority, "@")
	if at < 0 {
		return nil
	}
	_, password, ok := strings.Cut(authority[:at], ":")
	if !ok || password == "" {
		return nil
	}
	found := []string{password}
	if plain, err := url.PathUnescape(password); err == nil && plain != password {
		found = append(found, plain)
	}
	return found
}

// maskAll hides, besides, what is known to be secret even where it stands alone.
func maskAll(text string, known []string) string {
	text = ui.Mask(text)
	for _, secret := range known {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}
