package serve

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"relink/internal/hint"
	"relink/internal/socket"
)

// ErrExposed means that other machines could ask without showing who they are.
var ErrExposed = errors.New("the address can be reached from other machines")

func listen(address string, a *access) (net.Listener, error) {
	var listener net.Listener
	var err error
	if path, isSocket := strings.CutPrefix(address, "unix:"); isSocket {
		listener, err = socket.Listen(path)
	} else {
		listener, err = listenTCP(address, a)
	}
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", address, err)
	}
	return listener, nil
}

func listenTCP(address string, a *access) (net.Listener, error) {
	resolved, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return nil, err
	}
	if !resolved.IP.IsLoopback() && !a.remote() {
		return nil, hint.With(ErrExposed, "listen on 127.0.0.1 or a unix socket, or give tls with cert and key and, besides, token_file or client_ca")
	}
	listener, err := net.ListenTCP("tcp", resolved)
	if errors.Is(err, syscall.EADDRINUSE) {
		err = hint.With(fmt.Errorf("%w: %w", socket.ErrInUse, err), "another relink serve may be running; choose another address with --listen")
	}
	return listener, err
}
