package page

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"relink/internal/browsertest"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// What a screen reader needs is there: landmarks, one first heading and no gap
// after it, captions, heads of rows and columns, names, and no bar read aloud.
func TestPageDescribesItself(t *testing.T) {
	b := open(t, feedOf(t, fixture()), browsertest.Setup{})
	for what, selector := range map[string]string{
		"tables without a caption":      `main table:not(.u-legend):not(:has(> caption))`,
		"head cells without a scope":    `main table:not(.u-legend) th:not([scope])`,
		"rows without a head":           `main table:not(.u-legend) tbody tr:not(:has(> th[scope="row"]))`,
		"sections without a name":       `section:not([aria-labelledby]):not([aria-label]), nav:not([aria-label])`,
		"bars that are read aloud":      `svg:not([aria-hidden="true"])`,
		"regions that scroll, unnamed":  `.scroll:not([tabindex="0"][role="region"][aria-label])`,
		"tab stops out of order":        `[tabindex]:not([tabindex="0"]):not([tabindex="-1"])`,
		"inputs without a label":        `input:not(#filter)`,
		"charts without a name":         `.chart:not([role="img"][aria-labelledby])`,
		"lists that say what changes":   `main [aria-live]:not([role="status"])`,
		"states that are only a colour": `.badge:empty, .headline strong:empty`,
	} {
		if n := browsertest.Eval[int](b, fmt.Sprintf("document.querySelectorAll(`%s`).length", selector)); n != 0 {
			t.Errorf("%d %s", n, what)
		}
	}
	b.Want(`['header', 'main', 'footer', 'nav', 'h1'].map(n => document.querySelectorAll('body ' + n).length).join()`, "1,1,1,1,1")
	b.Want(`document.documentElement.lang`, "en")
	b.Want(`(() => { const ids = [...document.querySelectorAll('[id]')].map(e => e.id); return ids.filter((id, i) => ids.indexOf(id) !== i).join(); })()`, "")
	b.Want(`[...document.querySelectorAll('[aria-labelledby], nav a')].filter(e => !document.getElementById(e.getAttribute('aria-labelledby') ?? e.hash.slice(1))).map(e => e.outerHTML).join()`, "")
	b.Want(`(() => { let last = 1; for (const h of document.querySelectorAll('h1, h2, h3, h4')) { const n = +h.tagName[1]; if (n > last + 1) return h.outerHTML; last = n; } return ''; })()`, "")
	b.WantQuiet()
}

// All can be reached and opened by keyboard, and the focus is seen.
func TestPageByKeyboard(t *testing.T) {
	b := open(t, feedOf(t, fixture()), browsertest.Setup{})
	b.Do(chromedp.KeyEvent(kb.Tab))
	b.Want(`document.activeElement.className`, "skip")
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.Until(`document.activeElement.id`, "main")
	for range 40 {
		b.Do(chromedp.KeyEvent(kb.Tab))
		if browsertest.Eval[bool](b, `document.activeElement.matches('#apps summary')`) {
			break
		}
	}
	b.Want(`getComputedStyle(document.activeElement).outlineStyle`, "solid")
	b.Want(`String(document.activeElement.parentElement.open)`, "false")
	b.Do(chromedp.KeyEvent(kb.Enter))
	b.Want(`String(document.activeElement.parentElement.open)`, "true")
	b.Do(chromedp.KeyEvent(kb.Tab))
	b.Want(`document.activeElement.getAttribute('aria-label')`, "Instances on "+newer)
	b.WantQuiet()
}

var variable = regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{6})`)

// Text has the contrast that WCAG 2.2 asks for (4.5), what is drawn 3 where it
// carries meaning, in both schemes.
func TestContrast(t *testing.T) {
	style := string(assets["page.css"].content)
	light, dark, ok := strings.Cut(style[:strings.Index(style, "* {")], "prefers-color-scheme: dark")
	if !ok {
		t.Fatal("no dark scheme")
	}
	for scheme, text := range map[string]string{"light": light, "dark": dark} {
		colour := map[string]float64{}
		for _, found := range variable.FindAllStringSubmatch(text, -1) {
			colour[found[1]] = luminance(found[2])
		}
		for _, c := range []struct {
			least       float64
			back, front string
		}{
			{4.5, "ground", "text quiet link warn ok warning critical unknown"},
			{4.5, "raised", "text quiet warn link"},
			{4.5, "ok-back", "ok text quiet"}, {4.5, "warning-back", "warning text quiet"}, {4.5, "critical-back", "critical text quiet"}, {4.5, "unknown-back", "unknown text quiet"},
			{3, "ground", "focus mark new none colour-0 colour-1 colour-2 colour-3 colour-4 colour-5 colour-6"},
		} {
			for _, front := range strings.Fields(c.front) {
				if got := contrast(colour[c.back], colour[front]); colour[front] == 0 || got < c.least {
					t.Errorf("%s: %s on %s has %.2f, want %.1f", scheme, front, c.back, got, c.least)
				}
			}
		}
	}
}

func luminance(hex string) float64 {
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, _ := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		c := float64(n) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(a, b float64) float64 { return (max(a, b) + 0.05) / (min(a, b) + 0.05) }
