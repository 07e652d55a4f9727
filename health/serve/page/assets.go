package page

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"net/http"
	"path"
)

// The charts are uPlot's (MIT licence), as its npm package has it built;
// assets/vendored.txt says which.
//
//go:embed assets
var assetFiles embed.FS

// asset is one file that the page loads.
type asset struct {
	content     []byte
	contentType string
	tag         string // of the content
}

// build changes when any file or the template does: an open page of an older
// relink then loads itself again.
var assets, build = loadAssets()

func loadAssets() (all map[string]asset, tag string) {
	all = map[string]asset{}
	parts := [][]byte{[]byte(templateText)}
	types := map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8"}
	entries, err := assetFiles.ReadDir("assets")
	for _, entry := range entries {
		content, readErr := assetFiles.ReadFile("assets/" + entry.Name())
		err = errors.Join(err, readErr)
		parts = append(parts, content)
		all[entry.Name()] = asset{content, cmp.Or(types[path.Ext(entry.Name())], "text/plain; charset=utf-8"), tagOf(content)}
	}
	if err != nil {
		panic(err) // the folder is in the binary
	}
	return all, tagOf(parts...)
}

func tagOf(parts ...[]byte) string {
	h := sha256.New()
	for _, content := range parts {
		h.Write(content)
	}
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// assetURL names the content too, so that a browser may keep it for good.
func assetURL(name string) string { return "assets/" + name + "?v=" + assets[name].tag }

func serveAsset(w http.ResponseWriter, r *http.Request) {
	file, ok := assets[r.PathValue("name")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	keep := "no-cache"
	if r.URL.Query().Get("v") == file.tag {
		keep = "private, max-age=31536000, immutable"
	}
	w.Header().Set("Cache-Control", keep)
	serveTagged(w, r, file.content, file.contentType, file.tag)
}
