package fcgi_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"relink/fcgi"
)

// stuck are the places at which a peer can leave a call hanging. Each script
// tells when it is there, and stays until the call has closed the connection,
// or is over.
var stuck = []struct {
	name   string
	script func(reached chan<- struct{}, over <-chan struct{}) func(net.Conn)
	body   int
}{
	{name: "before the header", script: func(reached chan<- struct{}, _ <-chan struct{}) func(net.Conn) {
		return stalls(reached)
	}},
	{name: "in the header", script: func(reached chan<- struct{}, _ <-chan struct{}) func(net.Conn) {
		return stalls(reached, stdout("Content-type: text"))
	}},
	{name: "after the header", script: func(reached chan<- struct{}, _ <-chan struct{}) func(net.Conn) {
		return stalls(reached, stdout("Content-type: text/plain\r\n\r\nbody"))
	}},
	{name: "in a record", script: func(reached chan<- struct{}, _ <-chan struct{}) func(net.Conn) {
		return stalls(reached, stdout("Content-type: text")[:9])
	}},
	{name: "writing the body", body: 64 << 20, script: func(reached chan<- struct{}, over <-chan struct{}) func(net.Conn) {
		return func(net.Conn) {
			reached <- struct{}{}
			<-over
		}
	}},
}

func TestContextEndsACall(t *testing.T) {
	for _, c := range stuck {
		for _, network := range []string{"unix", "tcp"} {
			t.Run(c.name+" "+network, func(t *testing.T) {
				reached, over := make(chan struct{}, 1), make(chan struct{})
				to := respond(t, network, c.script(reached, over))
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				go func() {
					<-reached
					cancel()
				}()

				_, err := fcgi.Call(ctx, to, fcgi.Request{Script: "/x.php", Body: make([]byte, c.body)})
				close(over)
				if !errors.Is(err, context.Canceled) || errors.Is(err, fcgi.ErrTimeout) {
					t.Errorf("got %v, want context.Canceled", err)
				}
			})
		}
	}
}

func TestDeadlineEndsACall(t *testing.T) {
	for _, c := range stuck {
		t.Run(c.name, func(t *testing.T) {
			over := make(chan struct{})
			to := respond(t, "unix", c.script(make(chan struct{}, 1), over))
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()

			_, err := fcgi.Call(ctx, to, fcgi.Request{Script: "/x.php", Body: make([]byte, c.body)})
			close(over)
			wantError(t, err, fcgi.ErrTimeout, to.String(), "pm.max_children", "enablereuse=off")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v is no context.DeadlineExceeded", err)
			}
		})
	}
}

func TestContextThatHasEnded(t *testing.T) {
	to := respond(t, "unix", func(net.Conn) { t.Error("connected") })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := fcgi.Call(ctx, to, fcgi.Request{Script: "/x.php"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// fullSocket is a unix socket with a backlog that is used up. Whoever accepts
// gets the connections that use it first.
func fullSocket(t *testing.T) (to fcgi.Address, listener net.Listener, fillers int) {
	t.Helper()
	to = fcgi.Address{Network: "unix", Path: filepath.Join(shortDir(t), "s")}
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	socket := os.NewFile(uintptr(fd), to.Path)
	defer socket.Close()
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: to.Path}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	if listener, err = net.FileListener(socket); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	if err := syscall.Listen(fd, 0); err != nil { // net.FileListener has set a backlog of its own
		t.Fatal(err)
	}
	for ; ; fillers++ {
		conn, err := net.Dial("unix", to.Path)
		if errors.Is(err, syscall.EAGAIN) {
			return to, listener, fillers
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
	}
}

// A TCP socket with a full backlog answers nothing, so that each dial hangs.
func TestNoAnswerToTheDial(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	to := fcgi.Address{Network: "tcp", Path: fmt.Sprintf("127.0.0.1:%d", name.(*syscall.SockaddrInet4).Port)}
	for {
		conn, err := net.DialTimeout("tcp", to.Path, 100*time.Millisecond)
		if err != nil {
			break
		}
		t.Cleanup(func() { conn.Close() })
	}

	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err = fcgi.Call(ctx, to, fcgi.Request{Script: "/x.php"})
	wantError(t, err, fcgi.ErrTimeout, "connecting", to.String())

	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := fcgi.Call(ctx, to, fcgi.Request{Script: "/x.php"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestFullBacklog(t *testing.T) {
	to, _, _ := fullSocket(t)
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	_, err := fcgi.Call(ctx, to, fcgi.Request{Script: "/x.php"})
	wantError(t, err, fcgi.ErrTimeout, "listen.backlog", to.String())

	ctx, cancel = context.WithCancel(context.Background())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := fcgi.Call(ctx, to, fcgi.Request{Script: "/x.php"}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

func TestRoomInTheBacklog(t *testing.T) {
	to, listener, fillers := fullSocket(t)
	called := make(chan error, 1)
	go func() {
		_, err := fcgi.Call(bounded(t), to, fcgi.Request{Script: "/x.php"})
		called <- err
	}()
	for range fillers {
		if _, err := listener.Accept(); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	answers(stdout("Content-type: text/plain\r\n\r\nroom"), end())(conn)
	conn.Close()
	if err := <-called; err != nil {
		t.Error(err)
	}
}
