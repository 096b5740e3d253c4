// Command anchor is the least a Go gateway can do: a pooled reverse proxy that reads the body before it dials. The
// benchmark measures the gateway against it, in the same run on the same machine.
package main

import (
	"bytes"
	"flag"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"sync"
	"time"
)

func main() {
	listen := flag.String("listen", "", "address")
	target := flag.String("target", "", "base URL of the backend")
	token := flag.String("token", "", "bearer token for the backend")
	flag.Parse()
	base, err := url.Parse(*target)
	if err != nil {
		os.Exit(2)
	}
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1,
		BufferPool:    &buffers{},
		Transport:     &http.Transport{MaxIdleConnsPerHost: 4096, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(base)
			r.Out.Header.Set("Authorization", "Bearer "+*token)
		},
	}
	var bodies sync.Pool
	server := &http.Server{Addr: *listen, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		buf, ok := bodies.Get().(*[]byte)
		if !ok || int64(cap(*buf)) < r.ContentLength {
			fresh := make([]byte, r.ContentLength)
			buf = &fresh
		}
		body := (*buf)[:r.ContentLength]
		if _, err := io.ReadFull(r.Body, body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
		bodies.Put(buf)
	})}
	if err := server.ListenAndServe(); err != nil {
		os.Exit(1)
	}
}

// buffers lends the copy buffers.
type buffers struct{ pool sync.Pool }

func (b *buffers) Get() []byte {
	if buf, ok := b.pool.Get().(*[]byte); ok {
		return *buf
	}
	return make([]byte, 32<<10)
}

func (b *buffers) Put(buf []byte) { b.pool.Put(&buf) }
