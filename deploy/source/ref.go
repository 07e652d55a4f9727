package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"relink/internal/hint"
)

const (
	refPlaceholder = "{ref}"
	// MostSuggestions is how many names a hint lists.
	MostSuggestions = 5
)

// CheckRef refuses what git or the file system would not take for a name: a ref
// may come from a CI job's variables.
func CheckRef(ref string) error {
	reason := ""
	switch {
	case ref == "":
		reason = "it is empty"
	case strings.HasPrefix(ref, "-"):
		reason = "it begins with a dash"
	case strings.ContainsFunc(ref, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }):
		reason = "it contains a space or a control character"
	case strings.ContainsAny(ref, `~^:?*[\`) || strings.Contains(ref, "..") || strings.Contains(ref, "@{") || strings.Contains(ref, "//"):
		reason = "it contains what no tag or branch name may contain"
	case !filepath.IsLocal(ref) || strings.HasSuffix(ref, "/"):
		reason = "it is a path"
	}
	if reason == "" {
		return nil
	}
	return hint.With(fmt.Errorf("ref %q: %w: %s", ref, ErrBadRef, reason), "give the name of a tag, a branch or a commit")
}

// Locate puts ref into pattern and finds the file or folder of that name.
func Locate(pattern, ref string) (string, fs.FileInfo, error) {
	if err := CheckRef(ref); err != nil {
		return "", nil, err
	}
	path := strings.ReplaceAll(pattern, refPlaceholder, ref)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil, unknownPath(pattern, ref, path)
	}
	if err != nil {
		return "", nil, fmt.Errorf("source %s: %w", path, err)
	}
	return path, info, nil
}

func unknownPath(pattern, ref, path string) error {
	if !strings.Contains(pattern, refPlaceholder) {
		return hint.With(fmt.Errorf("source %s: %w", path, fs.ErrNotExist), "correct source, or put the code there")
	}
	err := fmt.Errorf("ref %s: %w: there is no %s", ref, ErrUnknownRef, path)
	return hint.DidYouMean(err, ref, knownRefs(pattern), MostSuggestions, "put it there, or correct the pattern "+pattern)
}

// knownRefs are the refs for which the pattern names something that exists. The
// placeholder is looked for in one path element, which is how it is used.
func knownRefs(pattern string) []string {
	before, after, _ := strings.Cut(pattern, refPlaceholder)
	if strings.Contains(after, refPlaceholder) {
		return nil
	}
	found, err := filepath.Glob(globQuote(before) + "*" + globQuote(after))
	if err != nil {
		return nil // only suggestions are lost
	}
	var refs []string
	for _, path := range found {
		refs = append(refs, strings.TrimSuffix(strings.TrimPrefix(path, before), after))
	}
	return refs
}

func globQuote(s string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(s)
}
