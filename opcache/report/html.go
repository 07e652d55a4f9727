package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"sync"

	"relink/opcache"
)

//go:embed page.html.tmpl
var pageTemplate string

//go:embed page.css
var pageStyle string

//go:embed page.js
var pageScript string

var page = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("page").Funcs(words).Funcs(template.FuncMap{"bar": barOf}).Parse(pageTemplate))
})

// largestFolders is how many folders the page lists for those who do not see
// the treemap.
const largestFolders = 25

// HTML writes one page that needs nothing else: no network, and no JavaScript
// for all but the treemap.
func (r *Report) HTML(w io.Writer) error {
	data, err := r.pageData()
	if err == nil {
		err = page().Execute(w, data)
	}
	if err != nil {
		return fmt.Errorf("write the report as HTML: %w", err)
	}
	return nil
}

// pageData is what the template sees beside the report.
type pageData struct {
	*Report
	Style      template.CSS
	Script     template.JS
	Tree       template.JS
	StyleHash  string
	ScriptHash string
	Sentence   string
	Used       int64
	Free       int64
	Wasted     int64
	Folders    *TopReport
}

func (r *Report) pageData() (pageData, error) {
	// json.Marshal writes <, > and & as \u003c and so on: no path can end the element.
	tree, err := json.Marshal(r.tree())
	if err != nil {
		return pageData{}, err
	}
	d := pageData{
		Report: r, Tree: template.JS(tree), Sentence: r.sentence(), Folders: r.top(ByBytes, true, largestFolders),
		Style: template.CSS(pageStyle), StyleHash: hashOf(pageStyle),
		Script: template.JS(pageScript), ScriptHash: hashOf(pageScript),
	}
	for i := range r.Masters {
		m := &r.Masters[i].Memory
		d.Used += m.UsedBytes
		d.Free += m.FreeBytes
		d.Wasted += m.WastedBytes
	}
	return d, nil
}

// Ratio is a part of the whole memory.
func (d pageData) Ratio(part int64) float64 { return opcache.Ratio(part, d.MemoryBytes) }

// hashOf lets the page's policy allow exactly this style or script.
func hashOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// barOf draws parts of a whole. Sizes are attributes, since the page's policy
// allows no style in an attribute.
func barOf(whole int64, parts ...int64) template.HTML {
	var b bytes.Buffer
	b.WriteString(`<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true"><rect class="part-free" width="1000" height="10"/>`)
	x := 0.0
	for i, part := range parts {
		width := 1000 * min(max(opcache.Ratio(part, whole), 0), 1)
		fmt.Fprintf(&b, `<rect class="part-%d" x="%.1f" width="%.1f" height="10"/>`, i, x, width)
		x += width
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String())
}
