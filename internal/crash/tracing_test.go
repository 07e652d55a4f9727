package crash

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
)

// tracing is the way to a tracer that has been started.
type tracing struct {
	orders  *json.Encoder
	answers *json.Decoder
}

// trace has the tracer run a command of the town; the first order starts it.
func (w *town) trace(o order, args []string) ended {
	w.t.Helper()
	if w.tracer == nil {
		w.tracer = w.startTracer()
	}
	var done traced
	if err := errors.Join(w.tracer.orders.Encode(job{args, w.root, o}), w.tracer.answers.Decode(&done)); err != nil {
		w.t.Fatalf("the tracer has failed: %v", err)
	}
	return ended{code: done.Code, out: done.Out, stderr: string(done.Stderr), events: done.Events}
}

func (w *town) startTracer() *tracing {
	w.t.Helper()
	self, err := os.Executable()
	w.must(err)
	command := exec.CommandContext(w.ctx, self)
	command.Env, command.Stderr = append(os.Environ(), tracerVariable+"=1"), os.Stderr
	in, err := command.StdinPipe()
	w.must(err)
	out, err := command.StdoutPipe()
	w.must(err)
	w.must(command.Start())
	w.t.Cleanup(func() {
		if err := errors.Join(in.Close(), command.Wait()); err != nil {
			w.t.Error(err)
		}
	})
	return &tracing{json.NewEncoder(in), json.NewDecoder(out)}
}
