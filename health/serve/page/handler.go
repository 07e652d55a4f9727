package page

import (
	"bytes"
	"net/http"
	"time"
)

// headers let the page load its own files and events, and nothing else.
var headers = map[string]string{
	"Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
		"base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin",
}

// limits bound what clients can take.
type limits struct {
	streams int           // event streams at once; more are refused
	write   time.Duration // that a client may take to read what it was sent
	beat    time.Duration // between signs of life on a stream
}

var defaultLimits = limits{streams: 64, write: 10 * time.Second, beat: 15 * time.Second}

// Handler serves the page at /, its events at /events and its files below
// /assets/. It only reads. A stream of events ends with its request or with the feed.
func Handler(f *Feed) http.Handler { return newHandler(f, defaultLimits) }

type handler struct {
	feed    *Feed
	limits  limits
	streams chan struct{} // one token for each open stream
	drawn   drawing
}

func newHandler(f *Feed, l limits) http.Handler {
	h := &handler{feed: f, limits: l, streams: make(chan struct{}, l.streams)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", h.servePage)
	mux.HandleFunc("GET /events", h.serveEvents)
	mux.HandleFunc("GET /assets/{name}", serveAsset)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name, value := range headers {
			w.Header().Set(name, value)
		}
		mux.ServeHTTP(w, r)
	})
}

func (h *handler) servePage(w http.ResponseWriter, r *http.Request) {
	snapshot, _ := h.feed.Newest()
	now, err := h.drawn.of(snapshot)
	if err != nil {
		http.Error(w, "the page cannot be rendered: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Cache-Control", "no-cache")
	serveTagged(w, r, now.whole, "text/html; charset=utf-8", now.version)
}

// serveTagged answers with what the client does not have yet.
func serveTagged(w http.ResponseWriter, r *http.Request, content []byte, contentType, tag string) {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}
