package hedge_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"relink/internal/hedge"
)

var errBroken = errors.New("broken")

func says(text string) hedge.Way[string] {
	return func(context.Context) (string, error) { return text, nil }
}

func broken(context.Context) (string, error) { return "", errBroken }

func hangs(ctx context.Context) (string, error) {
	<-ctx.Done()
	return "", ctx.Err()
}

func TestAsk(t *testing.T) {
	for name, tt := range map[string]struct {
		pair   hedge.Pair[string]
		want   string
		second bool
		err    error
	}{
		"the first answers":                    {hedge.Pair[string]{First: says("a"), Second: broken, Patience: time.Hour}, "a", false, nil},
		"the first hangs":                      {hedge.Pair[string]{First: hangs, Second: says("b")}, "b", true, nil},
		"the second hangs":                     {hedge.Pair[string]{First: broken, Second: hangs, Patience: time.Hour}, "", false, errBroken},
		"the first fails, and the second not":  {hedge.Pair[string]{First: broken, Second: says("b"), Patience: time.Hour, AfterFailure: true}, "b", true, nil},
		"a failure is no reason for the other": {hedge.Pair[string]{First: broken, Second: says("b"), Patience: time.Hour}, "", false, errBroken},
		"both fail":                            {hedge.Pair[string]{First: broken, Second: broken, AfterFailure: true}, "", false, errBroken},
	} {
		t.Run(name, func(t *testing.T) {
			got, second, err := tt.pair.Ask(t.Context())
			if got != tt.want || second != tt.second || !errors.Is(err, tt.err) {
				t.Errorf("%q %v %v", got, second, err)
			}
		})
	}
}

func TestAskEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(time.Millisecond, cancel)
	_, _, err := hedge.Pair[string]{First: hangs, Second: hangs}.Ask(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
