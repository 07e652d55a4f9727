package config_test

import (
	"errors"
	"strings"
	"testing"

	"relink/internal/config"
)

func TestWhatOthersCouldReadIsRefused(t *testing.T) {
	const pair = "tls: {cert: /c, key: /k"
	for text, want := range map[string]string{
		"{listen: '0.0.0.0:9155'}":                                  "needs tls with cert and key",
		"{listen: '[::]:9155', token_file: /t}":                     "needs tls with cert and key",
		"{listen: '10.0.0.1:9155', " + pair + "}}":                  "needs token_file or tls with client_ca",
		"{tls: {cert: /c}}":                                         "needs both cert and key",
		"{tls: {client_ca: /a}}":                                    "client_ca needs cert and key",
		"{listen: ':9155'}":                                         "is not an address to listen on",
		"{listen: 'example.org:9155'}":                              "is not an address to listen on",
		"{listen: 'unix:127.0.0.1:9155'}":                           "is not an address to listen on",
		"{listen: '127.0.0.1:70000'}":                               "is not an address to listen on",
		"{listen: 'unix:/run/../x'}":                                `without ".."`,
		"{history: 1KB}":                                            "must be at least 1MB",
		"{interval: 10ms}":                                          "must be at least 1s",
		"{listen: '10.0.0.1:9155', " + pair + "}, token_file: /t}":  "",
		"{listen: '10.0.0.1:9155', " + pair + ", client_ca: /a}}":   "",
		"{listen: '[::1]:9155'}":                                    "",
		"{listen: '127.8.8.8:0'}":                                   "",
		"{listen: /run/relink/serve.sock}":                          "",
		"{listen: 'localhost:9155', token_file: /t, " + pair + "}}": "",
	} {
		_, err := config.Parse("relink.yaml", []byte("serve: "+text+"\n"))
		if want == "" && err != nil || want != "" && (!errors.Is(err, config.ErrInvalid) || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestListenAddressesHaveOneForm(t *testing.T) {
	for text, want := range map[string]string{
		"localhost:9155": "127.0.0.1:9155", "[0:0::1]:09155": "[::1]:9155", "/run//x": "unix:/run/x", "unix:/run/x": "unix:/run/x",
	} {
		if got, err := config.ListenAddress(text); err != nil || got != want {
			t.Errorf("%s: %q, %v; want %q", text, got, err, want)
		}
	}
}
