package fcgi

import (
	"fmt"
	"maps"
	"path"
	"strconv"
	"strings"

	"relink/internal/hint"
)

// maxParam is what fcgi_client puts into one record (maxWrite less eight bytes
// of lengths). It cuts a longer value silently.
const maxParam = 65500 - 8

// params gives the CGI variables of r: those of RFC 3875 that PHP reads, and
// the caller's over them.
func (r Request) params() (map[string]string, error) {
	all := map[string]string{
		"GATEWAY_INTERFACE": "CGI/1.1",
		"SERVER_PROTOCOL":   "HTTP/1.1",
		"SERVER_SOFTWARE":   "relink",
		"SERVER_NAME":       "localhost",
		"SERVER_ADDR":       "127.0.0.1",
		"SERVER_PORT":       "80",
		"REMOTE_ADDR":       "127.0.0.1",
		"REMOTE_PORT":       "0",
		"REQUEST_METHOD":    "GET",
		"DOCUMENT_ROOT":     path.Dir(r.Script),
		"SCRIPT_FILENAME":   r.Script,
		"SCRIPT_NAME":       r.Script,
		"QUERY_STRING":      "",
		"REQUEST_URI":       strings.TrimSuffix(r.Script+"?"+r.Params["QUERY_STRING"], "?"),
	}
	if len(r.Body) > 0 {
		all["REQUEST_METHOD"] = "POST"
		all["CONTENT_TYPE"] = "application/octet-stream"
		all["CONTENT_LENGTH"] = strconv.Itoa(len(r.Body))
	}
	maps.Copy(all, r.Params)
	return all, checkParams(all)
}

func checkParams(params map[string]string) error {
	for name, value := range params {
		switch strings.ToUpper(name) {
		case "PHP_VALUE", "PHP_ADMIN_VALUE":
			// fpm_main.c applies them by zend_alter_ini_entry at the stage of
			// activation, which nothing takes back at the request's end.
			return hint.With(fmt.Errorf("%w: %s would change the worker's settings for the rest of its life", ErrParam, name),
				"use ini_set() in the script")
		}
		if len(name)+len(value) > maxParam {
			return fmt.Errorf("%w: %.40q has %d bytes, at most %d fit", ErrParam, name, len(name)+len(value), maxParam)
		}
	}
	return nil
}
