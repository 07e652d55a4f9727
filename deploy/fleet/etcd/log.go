package main

import (
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// logger has etcd write into relink's log. Once quiet is closed it tells what it has for errors
// only where its information is asked for: it calls the end that is asked of it a failure.
func logger(to zerolog.Logger, quiet <-chan struct{}) *zap.Logger {
	return zap.New(core{to: to, quiet: quiet})
}

type core struct {
	to     zerolog.Logger
	quiet  <-chan struct{}
	fields []zapcore.Field
}

// expected are warnings of what is meant to be so: one port for clients, and no passwords, for
// which alone its tokens are.
var expected = []string{"Running http and grpc server on single port", "simple token is not cryptographically signed"}

func (c core) Enabled(level zapcore.Level) bool { return levelOf(level) >= c.to.GetLevel() }

func (c core) With(fields []zapcore.Field) zapcore.Core {
	return core{c.to, c.quiet, append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

func (c core) Check(entry zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) && (c.to.GetLevel() <= zerolog.InfoLevel || !c.ended() && !isExpected(entry.Message)) {
		return checked.AddCore(entry, c)
	}
	return checked
}

func (c core) ended() bool {
	select {
	case <-c.quiet:
		return true
	default:
		return false
	}
}

func isExpected(message string) bool {
	return slices.ContainsFunc(expected, func(begin string) bool { return strings.HasPrefix(message, begin) })
}

func (c core) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	told := zapcore.NewMapObjectEncoder()
	for _, field := range append(c.fields[:len(c.fields):len(c.fields)], fields...) {
		field.AddTo(told)
	}
	c.to.WithLevel(levelOf(entry.Level)).Fields(told.Fields).Msg(entry.Message)
	return nil
}

func (c core) Sync() error { return nil }

func levelOf(level zapcore.Level) zerolog.Level {
	switch {
	case level <= zapcore.DebugLevel:
		return zerolog.DebugLevel
	case level == zapcore.InfoLevel:
		return zerolog.InfoLevel
	case level == zapcore.WarnLevel:
		return zerolog.WarnLevel
	}
	return zerolog.ErrorLevel
}
