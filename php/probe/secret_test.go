package probe_test

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"relink/internal/hint"
	"relink/php/probe"
)

func TestSecret(t *testing.T) {
	previous := syscall.Umask(0)
	defer syscall.Umask(previous)
	state := t.TempDir() + "/state"
	if _, err := probe.ReadSecret(state); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no secret: %v", err)
	}
	made, err := probe.EnsureSecret(state)
	if err != nil || made == (probe.Secret{}) {
		t.Fatal(made, err)
	}
	again, err := probe.EnsureSecret(state)
	read, errRead := probe.ReadSecret(state)
	if err != nil || errRead != nil || again != made || read != made {
		t.Errorf("%x, then %x and %x (%v, %v)", made, again, read, err, errRead)
	}
	info, err := os.Stat(state + "/probe.secret")
	if err != nil || info.Mode() != 0o600 || info.Size() != 32 {
		t.Errorf("%v, %v", info, err)
	}
	if other, err := probe.EnsureSecret(t.TempDir()); err != nil || other == made {
		t.Errorf("two machines share %x (%v)", other, err)
	}
}

func TestSecretsMadeAtTheSameTimeAgree(t *testing.T) {
	state := t.TempDir()
	secrets := make([]probe.Secret, 20)
	var wait sync.WaitGroup
	for i := range secrets {
		wait.Go(func() {
			var err error
			if secrets[i], err = probe.EnsureSecret(state); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for _, secret := range secrets {
		if secret != secrets[0] || secret == (probe.Secret{}) {
			t.Errorf("%x and %x", secret, secrets[0])
		}
	}
	if left, err := os.ReadDir(state); err != nil || len(left) != 1 {
		t.Errorf("left: %v (%v)", left, err)
	}
}

func TestUnsafeSecrets(t *testing.T) {
	const nobody = 65534
	content := bytes.Repeat([]byte("x"), 32)
	for name, c := range map[string]struct {
		prepare func(path string) error
		says    string
	}{
		"open to others":  {func(path string) error { return errors.Join(os.WriteFile(path, content, 0o600), os.Chmod(path, 0o604)) }, "mode 0604"},
		"open to a group": {func(path string) error { return errors.Join(os.WriteFile(path, content, 0o600), os.Chmod(path, 0o620)) }, "mode 0620"},
		"short":           {func(path string) error { return os.WriteFile(path, content[:31], 0o600) }, "32 bytes"},
		"long":            {func(path string) error { return os.WriteFile(path, append(content, 'x'), 0o600) }, "32 bytes"},
		"endless":         {func(path string) error { return os.Symlink("/dev/zero", path) }, "symbolic links"},
		"a link":          {func(path string) error { return os.Symlink("/etc/shadow", path) }, "symbolic links"},
		"a folder":        {func(path string) error { return os.Mkdir(path, 0o700) }, "no regular file"},
		"a fifo":          {func(path string) error { return syscall.Mkfifo(path, 0o600) }, "no regular file"},
		"another user's": {func(path string) error {
			if os.Geteuid() != 0 {
				return os.Mkdir(path, 0o700) // an ordinary user cannot make one
			}
			return errors.Join(os.WriteFile(path, content, 0o600), os.Chown(path, nobody, nobody))
		}, "probe.secret"},
	} {
		t.Run(name, func(t *testing.T) {
			state := t.TempDir()
			if err := c.prepare(state + "/probe.secret"); err != nil {
				t.Fatal(err)
			}
			for _, read := range []func(string) (probe.Secret, error){probe.ReadSecret, probe.EnsureSecret} {
				secret, err := read(state)
				if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), c.says) || len(hint.Of(err)) == 0 || secret != (probe.Secret{}) {
					t.Errorf("%x, %v, want %q", secret, err, c.says)
				}
			}
		})
	}
}

func TestStateThatCannotBeWritten(t *testing.T) {
	file := writeFile(t, t.TempDir()+"/file", "")
	if _, err := probe.EnsureSecret(file); err == nil || len(hint.Of(err)) == 0 {
		t.Error(err)
	}
}

func TestNames(t *testing.T) {
	var one, two probe.Secret
	two[31] = 1
	if got := one.Name("a"); len(got) != len("relink-0123456789abcdef.php") || !strings.HasPrefix(got, "relink-") {
		t.Error(got)
	}
	seen := map[string]bool{}
	for _, s := range []probe.Secret{one, two} {
		for _, app := range []string{"", "a", "b", "a\x00b"} {
			for _, value := range []string{s.Name(app), s.Token(app)} {
				if seen[value] {
					t.Errorf("%q comes twice", value)
				}
				seen[value] = true
			}
		}
	}
}

// Whoever reads the script learns neither the token nor the secret.
func TestScriptTellsNoSecret(t *testing.T) {
	secret, err := probe.EnsureSecret(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	script := string(secret.Script("a", `/srv/it's \ here/`))
	if strings.Contains(script, secret.Token("a")) || strings.Contains(script, secret.Name("a")) || strings.Contains(script, "{") && strings.Contains(script, "{TOKEN") {
		t.Error(script)
	}
	if !strings.Contains(script, `'/srv/it\'s \\ here')`) {
		t.Error(script)
	}
}
