package fcgi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	fcgiclient "github.com/tomasen/fcgi_client"

	"relink/internal/hint"
)

// maxEmptyReads is how many empty records in a row are taken for an answer. FPM
// sends one at the end of each stream.
const maxEmptyReads = 1000

// exchange sends r and reads the answer, whatever it says.
func exchange(ctx context.Context, to Address, r Request) (Response, error) {
	params, err := r.params()
	if err != nil {
		return Response{}, fmt.Errorf("call %s: %w", to, err)
	}
	if ctx.Err() != nil {
		return Response{}, ended(ctx, to, time.Now(), "before connecting")
	}
	client, err := dial(ctx, to)
	if err != nil {
		return Response{}, err
	}
	defer closeWith(ctx, client)()

	start := time.Now()
	raw, err := converse(client, params, r.Body, r.limit())
	if err != nil {
		return Response{}, explain(ctx, to, start, r.limit(), len(raw), err)
	}
	return parseAnswer(to, raw)
}

func (r Request) limit() int64 {
	if r.Limit > 0 {
		return r.Limit
	}
	return DefaultLimit
}

// closeWith closes client as soon as ctx ends, which is all that unblocks a
// read or a write of the library. The function it returns closes client in any
// case and leaves nothing running.
func closeWith(ctx context.Context, client *fcgiclient.FCGIClient) func() {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		client.Close()
	})
	return func() {
		if stop() {
			client.Close()
			return
		}
		<-closed
	}
}

// converse returns what it has read, also with an error. Do reports a request
// it could not send, but not a body: a pool may answer and close without
// reading all of it, and that answer can still be read.
func converse(client *fcgiclient.FCGIClient, params map[string]string, body []byte, limit int64) ([]byte, error) {
	stream, err := client.Do(params, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	return readAll(stream, limit)
}

var errEmptyRecords = errors.New("nothing but empty records")

// readAll reads to the end of stream in memory of at most about twice the
// limit. The stream returns (0, nil) for an empty record, without end if the
// peer so wants, so that io.ReadAll would never return.
func readAll(stream io.Reader, limit int64) ([]byte, error) {
	var all []byte
	for empty := 0; ; {
		all = slices.Grow(all, 512)
		n, err := stream.Read(all[len(all):cap(all)])
		all = all[:len(all)+n]
		if empty++; n > 0 {
			empty = 0
		}
		switch {
		case int64(len(all)) > limit:
			return all, ErrTooLarge
		case err == io.EOF:
			return all, nil
		case err != nil:
			return all, err
		case empty > maxEmptyReads:
			return all, errEmptyRecords
		}
	}
}

func explain(ctx context.Context, to Address, start time.Time, limit int64, received int, err error) error {
	if errors.Is(err, ErrTooLarge) {
		return hint.With(failure(to, ErrTooLarge, fmt.Sprintf("more than the limit of %d bytes", limit)),
			"check which script the pool runs: its answer is not what was asked for")
	}
	phase := "waiting for an answer"
	if received > 0 {
		phase = "receiving the answer"
	}
	if timeout := ended(ctx, to, start, phase); timeout != nil {
		return timeout
	}
	return broken(to, received, err)
}
