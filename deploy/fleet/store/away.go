package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"relink/internal/hint"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// ErrAway: etcd does not answer, or has no quorum.
var ErrAway = errors.New("etcd does not answer")

// ErrRefused: etcd answers, and does not take it.
var ErrRefused = errors.New("etcd refuses it")

// reconnect has etcd tried again every few seconds however long it was away: gRPC's own pauses
// grow to two minutes, and one try lasts for 20 s.
var reconnect = grpc.ConnectParams{
	Backoff:           backoff.Config{BaseDelay: 500 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
	MinConnectTimeout: 3 * time.Second,
}

// tellWhy keeps what gRPC knows of why there was no connection in time, such as a certificate
// that is not valid: of an error with the code DeadlineExceeded etcd's client keeps only that.
func tellWhy(ctx context.Context, method string, request, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
	err := invoke(ctx, method, request, reply, conn, options...)
	if status.Code(err) != codes.DeadlineExceeded {
		return err
	}
	_, why, known := strings.Cut(status.Convert(err).Message(), "latest balancer error: ")
	if !known {
		return err
	}
	return status.Error(codes.Unknown, why)
}

// away says what kept etcd from doing what it was asked.
func away(err error) error {
	if err == nil || errors.Is(err, ErrAway) {
		return err
	}
	var said rpctypes.EtcdError
	if errors.As(err, &said) && slices.Contains([]codes.Code{codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated}, said.Code()) {
		return fmt.Errorf("%w: %w", ErrRefused, err)
	}
	help := "see that etcd runs and has a quorum (etcdctl endpoint status --cluster), and that fleet.etcd names it"
	if strings.Contains(err.Error(), "certificate has expired or is not yet valid") {
		help = "see that the clocks of this host and of etcd's are right (timedatectl), and until when the certificates are valid (openssl x509 -noout -dates -in ...)"
	}
	return hint.With(fmt.Errorf("%w: %w", ErrAway, err), "%s", help)
}
