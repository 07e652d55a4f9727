package git

import (
	"net/url"
	"regexp"
	"strings"
)

var (
	urlPassword = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^/:@\s'"]*):[^/\s'"]*@`)
	// A token is often written as the user of an HTTP address.
	urlToken = regexp.MustCompile(`((?i:https?)://)[^/:@\s'"]+@`)
)

// mask hides the passwords of all addresses in text.
func mask(text string) string {
	return urlToken.ReplaceAllString(urlPassword.ReplaceAllString(text, "$1:***@"), "$1***@")
}

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
	text = mask(text)
	for _, secret := range known {
		text = strings.ReplaceAll(text, secret, "***")
	}
	return text
}
