//go:build pictures

// Package pictures makes the pictures of the manual (make pictures).
package pictures

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relink/internal/browsertest"
	"relink/internal/config"
	"relink/internal/sandbox"
)

// pictures is where the manual's lie.
const pictures = "../../../docs/pictures"

func TestMain(m *testing.M) { os.Exit(browsertest.Main(m)) }

// TestPictures makes the pictures of the manual, of a demonstration that was kept.
func TestPictures(t *testing.T) {
	root, err := sandbox.TempRoot()
	if err != nil {
		t.Fatal(err)
	}
	dir, file := filepath.Join(root, "demo"), filepath.Join(root, "demo", "relink.yaml")
	t.Cleanup(func() {
		if out, err := exec.Command(filepath.Join(root, "relink"), "demo", "--stop", dir).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	program := filepath.Join(root, "relink")
	if out, err := exec.Command("go", "build", "-o", program, "relink").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	relink := func(args ...string) string {
		t.Helper()
		command := exec.Command(program, args...)
		command.Env = append(os.Environ(), "RELINK_CONFIG="+file)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	relink("demo", "--keep", "--instances", "6", "--dir", dir, "--pause", "50ms")
	deployed := "$ relink deploy v2 --instance club1\n" + relink("deploy", "v2", "--instance", "club1")
	if err := os.WriteFile(filepath.Join(pictures, "deploy.svg"), terminal(strings.ReplaceAll(deployed, root, "/srv")), 0o644); err != nil {
		t.Fatal(err)
	}
	relink("deploy", "v2", "--all")
	visit(t, file)
	base := serve(t, program, file)
	until(t, base+"/api/v1/history", func(body string) bool { return strings.Count(body, `"seconds":`) > 3 }) // for its charts; a look of many pools comes once a minute
	b := browsertest.Open(t, base+"/", browsertest.Setup{})
	b.Until(`document.getElementById('live').className`, "on")
	b.Picture(filepath.Join(pictures, "service.png"))
	page := filepath.Join(root, "memory.html")
	relink("opcache", "report", "--html", page)
	browsertest.Open(t, "file://"+page, browsertest.Setup{}).Picture(filepath.Join(pictures, "memory.png"))
}

// visit asks the sites for pages until the test has ended.
func visit(t *testing.T, file string) {
	t.Helper()
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			<-tick.C
			site := c.Apps[0].Instances[i%len(c.Apps[0].Instances)]
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, site.Check.URL, nil)
			if err != nil {
				return
			}
			request.Host = site.Check.Host
			if answer, err := http.DefaultClient.Do(request); err == nil {
				answer.Body.Close()
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-ended
	})
}

// serve runs the service until the test has ended.
func serve(t *testing.T, program, file string) string {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	ctx, stop := context.WithCancel(context.Background())
	command := exec.CommandContext(ctx, program, "serve", "--config", file, "--listen", address, "--interval", "1s")
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		command.Wait()
	})
	until(t, "http://"+address+"/healthz", func(string) bool { return true })
	return "http://" + address
}

// terminal draws what a terminal of 80 columns shows.
func terminal(text string) []byte {
	const columns, width, height, margin = 80, 8.4, 18, 16
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	var b bytes.Buffer
	w, h := int(columns*width)+2*margin, len(lines)*height+2*margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img">`+"\n", w, h, w, h)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" rx="6" fill="#1e1e1e"/>`+"\n", w, h)
	fmt.Fprintf(&b, `<g font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" fill="#d4d4d4">`+"\n")
	for i, line := range lines {
		fmt.Fprintf(&b, `<text x="%d" y="%d" textLength="%.1f" lengthAdjust="spacingAndGlyphs">`, margin, margin+(i+1)*height-5, float64(len([]rune(line)))*width)
		xml.EscapeText(&b, []byte(strings.ReplaceAll(line, " ", "\u00a0"))) // spaces in a row would be one
		b.WriteString("</text>\n")
	}
	b.WriteString("</g>\n</svg>\n")
	return b.Bytes()
}

// until asks until the answer is as it should be.
func until(t *testing.T, url string, enough func(body string) bool) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	defer stop()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if answer, err := http.Get(url); err == nil {
			body, _ := io.ReadAll(answer.Body)
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK && enough(string(body)) {
				return
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(url, ctx.Err())
		}
	}
}
