package browsertest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"

	"github.com/chromedp/chromedp"
)

// process is the Chromium of all tests of a package, started by the first: that takes
// longer than most of them.
var process chromium

type chromium struct {
	once  sync.Once
	ended bool // by somebody: Main
	ctx   context.Context
	err   error
	end   func() error
}

// Main is the TestMain of a package whose tests open a browser.
func Main(m *testing.M) int {
	process.ended = true
	code := m.Run()
	if process.end == nil {
		return code
	}
	if err := process.end(); err != nil {
		fmt.Fprintln(os.Stderr, "end Chromium:", err)
		return max(code, 1)
	}
	return code
}

func (c *chromium) start() {
	if !c.ended {
		c.err = errors.New("TestMain has to be browsertest.Main, which ends Chromium")
		return
	}
	path, err := findChromium()
	if err != nil {
		c.err = err
		return
	}
	profile, err := os.MkdirTemp("", "relink-browser")
	if err != nil {
		c.err = err
		return
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.UserDataDir(profile), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	c.end = func() error {
		defer stop()
		defer cancel()
		return errors.Join(chromedp.Cancel(ctx), os.RemoveAll(profile))
	}
	c.ctx, c.err = ctx, chromedp.Do(ctx)
}

func findChromium() (string, error) {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("no Chromium: install the package chromium")
}
