package serve

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"relink/internal/hint"
)

var (
	// ErrExposed means that other machines could ask without showing who they are.
	ErrExposed = errors.New("the address can be reached from other machines")
	// ErrInUse means that somebody listens there already.
	ErrInUse = errors.New("the address is in use")
)

// socketMode lets the group of the socket's folder in, and nobody else.
const socketMode = 0o660

func listen(address string, a *access) (net.Listener, error) {
	open := listenTCP
	path, isSocket := strings.CutPrefix(address, "unix:")
	if isSocket {
		open = listenUnix
	}
	listener, err := open(path, a)
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
		err = hint.With(fmt.Errorf("%w: %w", ErrInUse, err), "another relink serve may be running; choose another address with --listen")
	}
	return listener, err
}

// listenUnix takes the place of a socket that a killed service has left.
func listenUnix(path string, _ *access) (net.Listener, error) {
	if err := removeDeadSocket(path); err != nil {
		return nil, err
	}
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

func removeDeadSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%w: there is a file that is no socket", ErrInUse)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return errors.Join(hint.With(ErrInUse, "another relink serve may be running"), conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%w: %w", ErrInUse, err)
	}
	return os.Remove(path)
}
