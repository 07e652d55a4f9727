package fleettest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// clockAhead is the variable by which a program of another clock knows how far that is ahead,
// in seconds.
const clockAhead = "RELINK_TEST_CLOCK_AHEAD"

// otherClock is relink as it is, but for the clock of Go's own library: a machine cannot have
// several, and Go asks the kernel past the C library, which programs that fake a clock replace.
var otherClock = sync.OnceValues(func() (program string, err error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	original := filepath.Join(strings.TrimSpace(string(root)), "src/time/time.go")
	text, err := os.ReadFile(original)
	if err != nil {
		return "", err
	}
	const asks, uses = "\tsec, nsec, mono := runtimeNow()\n\tif mono == 0 {\n\t\treturn Time{uint64(nsec), sec + unixToInternal, Local}", "import (\n"
	if strings.Count(string(text), asks) != 1 {
		return "", fmt.Errorf("%s: time.Now is not as it was known", original)
	}
	shifted := strings.Replace(string(text), asks, strings.Replace(asks, "runtimeNow()", "runtimeNow()\n\tsec += ahead", 1), 1)
	shifted = strings.Replace(shifted, uses, uses+"\t\"syscall\"\n", 1) + `
var ahead = func() (seconds int64) {
	text, _ := syscall.Getenv("` + clockAhead + `")
	for _, c := range text {
		if c != '-' {
			seconds = 10*seconds + int64(c-'0')
		}
	}
	if text != "" && text[0] == '-' {
		return -seconds
	}
	return seconds
}()
`
	dir := filepath.Join(programs, "other-clock")
	replaced := filepath.Join(dir, "time.go")
	list, err := json.Marshal(map[string]any{"Replace": map[string]string{original: replaced}})
	if err != nil {
		return "", err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return "", err
	}
	for name, content := range map[string][]byte{"time.go": []byte(shifted), "overlay.json": list} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o644); err != nil {
			return "", err
		}
	}
	program = filepath.Join(dir, "relink")
	if out, err := exec.Command("go", "build", "-overlay", filepath.Join(dir, "overlay.json"), "-o", program, "relink").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w %s", err, out)
	}
	return program, nil
})
