package proc_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"relink/internal/proc"
)

// exec copies with io.Copy, which goes by every method of a writer that spares it a copy.
func TestOutputIsBounded(t *testing.T) {
	const much = "head -c 3000000 /dev/zero; echo end"
	printed, err := proc.Output(t.Context(), []string{"sh", "-c", much})
	if err != nil || len(printed) != 4<<10 || !strings.HasSuffix(string(printed), "end\n") {
		t.Errorf("%d bytes, %v", len(printed), err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	endless := exec.CommandContext(ctx, "yes")
	head := &proc.Head{Most: 1000, Full: cancel}
	endless.Stdout = head
	proc.OwnGroup(endless)
	if err := endless.Run(); err == nil || !head.Cut || len(head.Bytes()) != 1000 {
		t.Errorf("%d bytes, cut %v, %v", len(head.Bytes()), head.Cut, err)
	}

	dropped := &proc.Head{Most: 1000}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", much)
	cmd.Stdout = dropped
	if err := cmd.Run(); err != nil || !dropped.Cut || len(dropped.Bytes()) != 1000 {
		t.Errorf("%d bytes, cut %v, %v", len(dropped.Bytes()), dropped.Cut, err)
	}
}
