// Package probe puts a small PHP script into each site's document root that
// tells relink, and nobody else, which PHP answers there and which release it
// runs, and through which relink reaches PHP workers that only the web server
// can reach.
package probe

import (
	"crypto/hmac"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"strings"
)

//go:embed probe.php
var source string

// Name is the script's file name, the same in all releases of an application:
// the web server and PHP treat it then as they treat the application's pages.
func (s Secret) Name(app string) string {
	sum := s.derive("name", app)
	return "relink-" + hex.EncodeToString(sum[:8]) + ".php"
}

// Token is what a request has to show to the script.
func (s Secret) Token(app string) string { return hex.EncodeToString(s.derive("token", app)) }

func (s Secret) derive(purpose, app string) []byte {
	mac := hmac.New(sha256.New, s[:])
	mac.Write([]byte(purpose + "\x00" + app))
	return mac.Sum(nil)
}

// Script is the PHP source. Every user of the machine may read it: it holds only
// a digest of the token. agentDir is where the agent lies, as the PHP of the site
// sees that folder.
func (s Secret) Script(app, agentDir string) []byte {
	digest := sha256.Sum256([]byte(s.Token(app)))
	quote := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	fill := strings.NewReplacer(
		"{TOKEN_SHA256}", hex.EncodeToString(digest[:]),
		"{AGENT_DIR}", quote.Replace(strings.TrimRight(agentDir, "/")))
	return []byte(fill.Replace(source))
}
