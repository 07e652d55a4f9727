package socket

import (
	"bytes"
	"context"
	"errors"
	"log"
	"net"
	"net/http"
	"time"

	"github.com/rs/zerolog"
)

// endTime is how long what is being answered may take when the server ends.
const endTime = 2 * time.Second

// ServeTLS answers until ctx ends, which is no error.
func ServeTLS(ctx context.Context, l net.Listener, server *http.Server, to zerolog.Logger) error {
	server.ErrorLog = log.New(debugLog{to}, "", 0)
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer cancel()
		if server.Shutdown(ending) != nil {
			_ = server.Close()
		}
	})
	err := server.ServeTLS(l, "", "")
	if !stop() {
		<-ended
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// debugLog is for what net/http says of clients that break off, which is no news.
type debugLog struct{ log zerolog.Logger }

func (d debugLog) Write(text []byte) (int, error) {
	d.log.Debug().Msg(string(bytes.TrimSpace(text)))
	return len(text), nil
}
