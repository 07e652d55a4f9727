package agent

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"relink/internal/socket"
)

// Bounds of what a balancer may ask.
const (
	askTime    = 5 * time.Second
	mostHeader = 8 << 10 // bytes
)

// listen is at an address as the configuration has it.
func listen(address string) (net.Listener, error) {
	if path, is := strings.CutPrefix(address, "unix:"); is {
		return socket.Listen(path)
	}
	return net.Listen("tcp", address)
}

// answer tells a balancer whether this host is to get visitors. It says no more than yes or
// no, and why in the words of the log only: whoever reaches the port may ask.
func (a *agent) answer(ctx context.Context, l net.Listener) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if a.unready() != "" {
			http.Error(w, "not ready", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: askTime, ReadTimeout: askTime, WriteTimeout: askTime, IdleTimeout: time.Minute, MaxHeaderBytes: mostHeader,
	}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("fleet.ready: %w", err)
	}
	return nil
}

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// labels are those of the configuration, KEY=VALUE each.
func labels(texts []string) map[string]string {
	found := map[string]string{}
	for _, text := range texts {
		key, value, _ := strings.Cut(text, "=")
		found[key] = value
	}
	return found
}
