// Command server is the web server of the quickstart: it shows a page and
// counts visits in a file. It is built by the blueprint that it belongs to.
package main

import (
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "host and port to listen on; port 0 takes a free one")
	counter := flag.String("counter", "visits", "file that holds the number of visits")
	page := flag.String("page", "page.txt", "file with what the page says")
	address := flag.String("address", "", "file to write the host and port to once the server listens")
	flag.Parse()

	l, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	if *address != "" {
		if err := os.WriteFile(*address, []byte(l.Addr().String()), 0o644); err != nil {
			log.Fatal(err)
		}
	}
	s := &site{counter: *counter, page: *page}
	log.Fatal(http.Serve(l, s))
}

// site serves the page and counts who sees it.
type site struct {
	counter, page string
	mu            sync.Mutex
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/" {
		http.NotFound(w, r)
		return
	}
	text, err := os.ReadFile(s.page)
	if err != nil {
		http.Error(w, "there is no page yet", http.StatusServiceUnavailable)
		return
	}
	n, err := s.visit()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintf(w, "%sYou are visitor %d.\n", text, n)
}

// visit adds one to the counter and returns it.
func (s *site) visit() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := os.ReadFile(s.counter)
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(strings.TrimSpace(string(old)))
	if err != nil {
		return 0, err
	}
	return n + 1, os.WriteFile(s.counter, []byte(strconv.Itoa(n+1)+"\n"), 0o644)
}
