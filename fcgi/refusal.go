package fcgi

import (
	"bytes"
	"fmt"
	"net/http"

	"relink/internal/hint"
)

// refusal names an answer that FPM gave in the script's stead, nil for the
// script's own. FPM tells the cause on stderr, unless fastcgi.logging=0; then
// only its fixed body is left (fpm_main.c).
func refusal(to Address, script string, answer Response) error {
	switch {
	case answer.Status == http.StatusNotFound && answer.says("Primary script unknown", "File not found.\n"):
		return hint.With(fmt.Errorf("call %s: %w: %s", to, ErrScriptNotFound, script),
			"make the script visible to the pool (PrivateTmp, chroot and containers hide folders; all folders above it need x for the pool's user): set agent_dir to a folder that the pool can read, and path_map if the pool sees it under another path")
	case answer.Status == http.StatusForbidden && bytes.Contains(answer.Noise, []byte("Unable to open primary script")):
		return hint.With(fmt.Errorf("call %s: %w: %s", to, ErrScriptUnreadable, script),
			"let the pool's user read the script and enter the folders above it")
	case answer.Status == http.StatusForbidden && answer.says("security.limit_extensions", "Access denied.\n"):
		return hint.With(fmt.Errorf("call %s: %w: %s", to, ErrExtension, script),
			"allow the extension in the pool's security.limit_extensions (FPM's default is .php .phar); with fastcgi.logging=0 it may also be the file's mode")
	}
	return nil
}

// says reports whether stderr holds cause, or the body is that of FPM.
func (r Response) says(cause, body string) bool {
	return bytes.Contains(r.Noise, []byte(cause)) || string(r.Body) == body
}
