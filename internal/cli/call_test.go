package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"relink/internal/exit"
	"relink/internal/hint"
)

type answer struct {
	Said string `json:"said"`
}

func (a answer) Text(width int) string { return fmt.Sprintf("%s in %d columns\n", a.Said, width) }

// runs gives a command with an ArgsUsage that says its first argument and fails so.
func runs(line, argsUsage string, failure error) (status int, out, stderr string) {
	var stdout, screen bytes.Buffer
	env := &Env{Out: &stdout, Stderr: &screen}
	say := &Command{Name: "say", ArgsUsage: argsUsage, Action: env.Action(func(_ context.Context, c *Call) error {
		return c.Show(answer{c.Args().First()}, failure)
	})}
	status = env.Finish(env.Run(context.Background(), strings.Fields("relink "+line), say))
	return status, stdout.String(), screen.String()
}

func TestACallTakesWhatItsUsageSays(t *testing.T) {
	for _, test := range []struct{ line, argsUsage, stderr string }{
		{"say", "", ""}, {"say a", "WORD", ""}, {"say a b", "[WORD...]", ""}, {"say", "[WORD...]", ""},
		{"say a", "", `say: takes no argument, got "a"`}, {"say", "WORD", "say: give one WORD, got 0"},
		{"say a b", "WORD", "hint: see relink say --help"}, {"say a --format xml", "WORD", `no format "xml"`},
	} {
		status, _, stderr := runs(test.line, test.argsUsage, nil)
		if !strings.Contains(stderr, test.stderr) || (status == exit.Usage) != (test.stderr != "") {
			t.Errorf("%q with %q: %d %s", test.line, test.argsUsage, status, stderr)
		}
	}
}

func TestAResultAndItsFailure(t *testing.T) {
	failed := hint.With(errors.New("it broke"), "mend it")
	partly := exit.As(exit.ErrUnverified, failed)
	for _, test := range []struct {
		line        string
		err         error
		status      int
		out, stderr string
	}{
		{"say a", nil, exit.Done, "a in 80 columns\n", ""},
		{"say a", failed, exit.Failed, "", "relink: it broke\nhint: mend it\n"},
		{"say a", partly, exit.Unverified, "a in 80 columns\n", "relink: it broke\nhint: mend it\n"},
		{"say a --format json", nil, exit.Done, "{\n  \"said\": \"a\"\n}\n", ""},
		{"say a --format json", failed, exit.Failed, "{\n  \"said\": \"a\"\n}\n", ""},
		{"say --format json", nil, exit.Usage, "{\n  \"exit\": 2,\n  \"error\": {\n    \"message\": \"say: give one WORD, got 0\",\n" +
			"    \"hints\": [\n      \"see relink say --help\"\n    ]\n  }\n}\n", ""},
	} {
		status, out, stderr := runs(test.line, "WORD", test.err)
		if status != test.status || out != test.out || stderr != test.stderr {
			t.Errorf("%q and %v: %d\n%s%s", test.line, test.err, status, out, stderr)
		}
	}
}
