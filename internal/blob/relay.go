package blob

import (
	"log/slog"
	"net/http"
	"net/http/httputil"
	"strings"
)

// relayPath is where a Relay passes requests on: /relay/{node}/blob/.
const relayPath = "/relay/"

// Relay passes requests below /relay/{node}/blob/ on to the node, over transport, and keeps nothing of what passes: for a
// client the base http://BROKER/relay/NODE behaves as http://NODE. It goes one hop: what is passed on is never a request to
// a relay. Requests are answered 403 with its sentence when authorise returns an error, all of them if it is nil, and 502
// when the node cannot be reached.
func Relay(transport http.RoundTripper, authorise func(r *http.Request, node string) error, log *slog.Logger) http.Handler {
	if authorise == nil {
		authorise = func(*http.Request, string) error { return ErrRefused }
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	proxy := &httputil.ReverseProxy{
		Transport:    transport,
		Rewrite:      passOn,
		BufferPool:   relayBuffers{},
		ErrorLog:     slog.NewLogLogger(log.Handler(), slog.LevelDebug), // each ends in an answer, or was cut off
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) { unreached(log, w, r, err) },
	}
	mux := http.NewServeMux()
	mux.HandleFunc(relayPath+"{node}"+blobPath+"{rest...}", func(w http.ResponseWriter, r *http.Request) {
		node := r.PathValue("node")
		if !isNode(node) || strings.ContainsAny(r.PathValue("rest"), "/.") {
			say(w, http.StatusBadRequest, "a relay passes requests on to /relay/NODE/blob/DIGEST, and nowhere else")
			return
		}
		if err := authorise(r, node); err != nil {
			say(w, http.StatusForbidden, err.Error())
			return
		}
		proxy.ServeHTTP(w, r)
	})
	return mux
}

// isNode reports whether a name can be the host of a URL and nothing else.
func isNode(name string) bool {
	const others = ".:-_"
	return name != "" && len(name) <= 255 && strings.Trim(name, ".") != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune(others, c)
	})
}

// passOn turns a request to a relay into one to the node behind it.
func passOn(r *httputil.ProxyRequest) {
	node := r.In.PathValue("node")
	r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = "http", node, node
	r.Out.URL.Path, r.Out.URL.RawPath = blobPath+r.In.PathValue("rest"), ""
	r.Out.URL.RawQuery = ""
}

func unreached(log *slog.Logger, w http.ResponseWriter, r *http.Request, err error) {
	node := r.URL.Host
	log.Debug("relay does not reach a node", "node", node, "err", err)
	say(w, http.StatusBadGateway, "node "+node+" is not to be reached from here")
}

// relayBuffers are those that blobs are moved with anyway.
type relayBuffers struct{}

func (relayBuffers) Get() []byte { return chunks.Get().(*[chunkBytes]byte)[:] }

func (relayBuffers) Put(b []byte) { chunks.Put((*[chunkBytes]byte)(b)) }
