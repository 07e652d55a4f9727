package source

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"relink/internal/hint"
)

const refPlaceholder = "{ref}"

// locate puts ref into pattern and finds the file or folder of that name.
func locate(pattern, ref string) (string, fs.FileInfo, error) {
	if err := checkRef(ref); err != nil {
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
	if near := nearest(ref, knownRefs(pattern)); len(near) > 0 {
		return hint.With(err, "did you mean %s?", strings.Join(near, ", "))
	}
	return hint.With(err, "put it there, or correct the pattern %s", pattern)
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
