package app

import (
	"bytes"
	"embed"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// overlay holds what is added to the application: v1 for both releases, v2 over
// it for the second, pages for the data of an instance.
//
//go:embed overlay
var overlay embed.FS

// releaseMark stands for the tag in the overlay's files.
const releaseMark = "@RELEASE@"

// applyOverlay writes the files of the release tag that keep accepts into tree.
func applyOverlay(tree, tag string, keep func(path string) bool) error {
	layers := []string{"overlay/v1"}
	if tag != "v1" {
		layers = append(layers, "overlay/"+tag)
	}
	for _, layer := range layers {
		if err := applyLayer(tree, layer, tag, keep); err != nil {
			return err
		}
	}
	return nil
}

func applyLayer(tree, layer, tag string, keep func(path string) bool) error {
	return fs.WalkDir(overlay, layer, func(path string, entry fs.DirEntry, err error) error {
		name := strings.TrimPrefix(path, layer+"/")
		if err != nil || entry.IsDir() || !keep(name) {
			return err
		}
		data, err := overlay.ReadFile(path)
		if err != nil {
			return err
		}
		to := filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		return os.WriteFile(to, bytes.ReplaceAll(data, []byte(releaseMark), []byte(tag)), 0o644)
	})
}

func everything(string) bool { return true }
