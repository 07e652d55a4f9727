package app

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"relink/internal/hint"
)

// Line is an application whose releases are made one after the other, from the tag v1 on.
type Line struct {
	App
	Files int // of a release

	made int                                // releases after the first
	few  func(tag string, number int) files // what a release has otherwise than the one before
	all  func(tag string, number int) files // a release that has nothing in common with another
}

// files puts contents by their path in the release.
type files func(put func(name string, content []byte)) error

// Few makes a release in which a few files differ from the one before.
func (l *Line) Few(ctx context.Context, tag string) error {
	l.made++
	return commit(ctx, l.Repository, tag, l.few(tag, l.made))
}

// Whole makes a release in which every file differs from what there was.
func (l *Line) Whole(ctx context.Context, tag string) error {
	l.made++
	return commit(ctx, l.Repository, tag, l.all(tag, l.made))
}

// commit makes a commit on main, of these files over what is there, and its tag. It is
// fast-import because that needs no work tree: MediaWiki's would be 23,000 files.
func commit(ctx context.Context, repository, tag string, changed files) error {
	cmd := exec.CommandContext(ctx, "git", "-C", repository, "-c", "core.compression=1", "fast-import", "--quiet", "--force")
	input, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	var printed bytes.Buffer
	cmd.Stderr = &printed
	if err := cmd.Start(); err != nil {
		return hint.With(err, "install git if it is missing")
	}
	writeErr := writeCommit(input, tag, onMain(ctx, repository), changed)
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("git fast-import: %w: %s", err, printed.Bytes())
	}
	return writeErr
}

// onMain tells whether there is a commit already.
func onMain(ctx context.Context, repository string) bool {
	return git(ctx, "-C", repository, "rev-parse", "--quiet", "--verify", "refs/heads/main") == nil
}

// madeAt is the time of the first commit. git archive gives it to the files.
var madeAt = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

func writeCommit(to io.WriteCloser, tag string, follows bool, changed files) error {
	w := bufio.NewWriter(to)
	message := "Release " + tag
	fmt.Fprintf(w, "commit refs/heads/main\nmark :1\ncommitter relink <relink@localhost> %d +0000\ndata %d\n%s\n", madeAt.Unix(), len(message), message)
	if follows {
		fmt.Fprintln(w, "from refs/heads/main^0")
	}
	err := changed(func(name string, content []byte) {
		fmt.Fprintf(w, "M 644 inline %s\ndata %d\n%s\n", name, len(content), content)
	})
	fmt.Fprintf(w, "reset refs/tags/%s\nfrom :1\n\n", tag)
	return errors.Join(err, w.Flush(), to.Close()) // Flush has the error of any write before
}

// newLine makes the repository with the first release, v1.
func newLine(ctx context.Context, l *Line) (*Line, error) {
	if err := git(ctx, "init", "--quiet", "--bare", "--initial-branch=main", l.Repository); err != nil {
		return nil, err
	}
	return l, commit(ctx, l.Repository, Tags[0], l.all(Tags[0], 0))
}

// inFolder are the files below dir, each as change has it.
func inFolder(dir string, change func(name string, content []byte) []byte) files {
	return func(put func(string, []byte)) error {
		return fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(filepath.Join(dir, name))
			if err == nil {
				put(name, change(name, content))
			}
			return err
		})
	}
}
