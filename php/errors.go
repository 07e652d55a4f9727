package php

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"relink/fcgi"
	"relink/internal/envelope"
	"relink/internal/hint"
)

// The reasons why the agent cannot do its work in a pool. Each error that wraps
// one of them names the pool and carries a hint.
var (
	ErrAgentNotVisible  = errors.New("the pool does not see the agent's file")
	ErrAgentUnreadable  = errors.New("the pool's user may not read the agent's file")
	ErrExtension        = errors.New("security.limit_extensions forbids the agent")
	ErrOpenBasedir      = errors.New("open_basedir forbids the agent")
	ErrRestrictAPI      = errors.New("opcache.restrict_api forbids the agent")
	ErrOPcacheOff       = errors.New("OPcache is off")
	ErrFileCacheOnly    = errors.New("OPcache has only a file cache")
	ErrFunctionDisabled = errors.New("a function that the agent needs is disabled")
	ErrBodyLost         = errors.New("PHP did not hand the request's body to the agent")
	ErrAgentFailed      = errors.New("the agent ended with a PHP error")
	ErrCorrupt          = envelope.ErrCorrupt
	ErrTruncated        = envelope.ErrTruncated
	ErrUnsafeDir        = errors.New("unsafe folder for the agent")
)

// agentError is what the agent itself reports: a cause by code, and on what.
type agentError struct {
	Code    string `json:"code"`
	Message text   `json:"message"`
}

// causes are the agent's codes: what "%s" in the advice stands for is its message.
var causes = map[string]struct {
	kind         error
	told, advice string
}{
	"function": {ErrFunctionDisabled, "", "remove %s from disable_functions of this pool, or have the PHP build include it"},
	"restrict-api": {ErrRestrictAPI, "it allows only scripts below ",
		"set opcache.restrict_api to agent_dir, or set agent_dir to a folder below %s; where PHP is only reached through the web server it must allow the document roots: leave it empty"},
	"opcache-missing": {ErrOPcacheOff, "",
		"install and load the extension for this PHP (Debian: apt install php-opcache, phpenmod opcache), then restart PHP-FPM, or Apache with mod_php"},
	"opcache-off": {ErrOPcacheOff, "",
		"set opcache.enable=1 in php.ini, and take php_admin_value[opcache.enable] out of the pool's file (mod_php: php_admin_value out of Apache's); then restart PHP-FPM, or Apache with mod_php"},
	"opcache-failed": {ErrOPcacheOff, "",
		"look in the log of PHP-FPM, or of Apache with mod_php, from its start on: there it says why (opcache.memory_consumption too large for the machine, /dev/shm, opcache.lockfile_path)"},
	"file-cache-only": {ErrFileCacheOnly, "",
		"set opcache.file_cache_only=0: without shared memory there is no cache that workers share"},
	"body": {ErrBodyLost, "",
		"look at post_max_size (512K is enough) and at what reads the request's body before the agent does"},
}

func (e *agentError) named() error {
	message := string(e.Message)
	if cause, known := causes[e.Code]; known {
		return hint.With(fmt.Errorf("%w: %s%s", cause.kind, cause.told, message), "%s", strings.ReplaceAll(cause.advice, "%s", message))
	}
	if e.Code != "fatal" {
		message = e.Code + ": " + message
	}
	err := fmt.Errorf("%w: %s", ErrAgentFailed, message)
	if e.Code == "fatal" && strings.Contains(message, "Allowed memory size") {
		return hint.With(err, "raise memory_limit of this pool, or set it by php_value instead of php_admin_value so that the agent may raise it for itself")
	}
	return err
}

// refused names the cause for which FPM answered in the agent's stead, from what
// it wrote on stderr and in the body (fpm_main.c). With fastcgi.logging=0 only its
// fixed body is left, and "Access denied." may also mean a file mode.
func (a *Agent) refused(response fcgi.Response, err error) error {
	said := func(phrase string) bool {
		return bytes.Contains(response.Noise, []byte(phrase)) || bytes.Contains(response.Body, []byte(phrase))
	}
	opened := said("Unable to open primary script")
	switch {
	case said("security.limit_extensions"), !opened && said("Access denied."):
		return hint.Instead(fmt.Errorf("%w: %s: %w", ErrExtension, a.script, err),
			"add .php to security.limit_extensions of this pool, and let its user read %s", a.script)
	case opened && said("(Permission denied)"):
		return hint.Instead(fmt.Errorf("%w: %s: %w", ErrAgentUnreadable, a.script, err),
			"let the pool's user read %s, and enter the folders above it; if he may, AppArmor or SELinux refuses it to PHP-FPM (dmesg, ausearch -m avc)", a.script)
	case opened && said("(Operation not permitted)"), !opened && said("No input file specified."):
		return hint.Instead(fmt.Errorf("%w: %s: %w", ErrOpenBasedir, a.script, err),
			"add %s to open_basedir of this pool, or set agent_dir to a folder inside it", path.Dir(a.script))
	case opened, said("Primary script unknown"), said("File not found."), errors.Is(err, fcgi.ErrScriptNotFound):
		return hint.Instead(fmt.Errorf("%w: %s: %w", ErrAgentNotVisible, a.script, err),
			"set agent_dir to a folder that this pool can read (PrivateTmp hides /tmp and /var/tmp; every folder above it must let the pool's user pass), and path_map if the pool runs in a chroot or a container")
	case errors.Is(err, fcgi.ErrTruncated):
		return fmt.Errorf("%w: %w", ErrTruncated, err)
	case errors.Is(err, ErrTruncated):
		return hint.With(err, "look in FPM's error log: the worker crashed or was killed during the answer")
	case errors.Is(err, ErrCorrupt):
		return hint.With(err, "look in the PHP error log of this pool, and at its auto_prepend_file: something else answered, or changed the answer")
	}
	return err
}
