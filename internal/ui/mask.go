package ui

import "regexp"

var (
	urlPassword = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^/:@\s'"]*):[^/\s'"]*@`)
	// A token is often written as the user of an HTTP address.
	urlToken = regexp.MustCompile(`((?i:https?)://)[^/:@\s'"]+@`)
)

// Mask hides the passwords of all addresses in a text: messages end up in the logs
// of CI jobs.
func Mask(text string) string {
	return urlToken.ReplaceAllString(urlPassword.ReplaceAllString(text, "$1:***@"), "$1***@")
}
