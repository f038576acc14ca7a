package csar

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// fetchServer serves what the tests of HTTPFetcher ask for.
func fetchServer(t *testing.T) *httptest.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("/types.yaml", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("types")) })
	mux.HandleFunc("/secret.yaml", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer t" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = w.Write([]byte("secret"))
	})
	mux.HandleFunc("/busy.yaml", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	mux.HandleFunc("/odd.yaml", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) })
	mux.HandleFunc("/large.yaml", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat("x", 101))) })
	mux.HandleFunc("/cut.yaml", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = w.Write([]byte("abc"))
	})
	mux.HandleFunc("/once", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/types.yaml", http.StatusFound) })
	mux.HandleFunc("/loop", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/loop", http.StatusFound) })
	mux.HandleFunc("/down", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://"+r.Host+"/types.yaml", http.StatusFound)
	})
	mux.HandleFunc("/away", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "https://elsewhere.example.org/types.yaml", http.StatusFound)
	})
	mux.HandleFunc("/user", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://hunter2:hunter2@example.org/a.yaml")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/broken", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Location", "https://hunter2:hunter2@example.org/%zz")
		w.WriteHeader(http.StatusFound)
	})
	mux.HandleFunc("/wait", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	return s
}

// bearer is a transport that logs in.
type bearer struct{ http.RoundTripper }

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer t")
	return b.RoundTripper.RoundTrip(r)
}

func TestHTTPFetcher(t *testing.T) {
	t.Parallel()
	server := fetchServer(t)
	host := strings.TrimPrefix(server.URL, "https://")
	login := &http.Client{Transport: bearer{server.Client().Transport}}
	tests := []struct {
		name, url string
		fetcher   HTTPFetcher
		want      string
		code      Code
		says      string
	}{
		{name: "a file", url: "/types.yaml", want: "types"},
		{name: "a host of the list", url: "/types.yaml", fetcher: HTTPFetcher{Hosts: []string{"a.example", strings.ToUpper(host)}}, want: "types"},
		{name: "a host not in the list", url: "/types.yaml", fetcher: HTTPFetcher{Hosts: []string{"a.example"}}, code: InvalidArgument, says: "is not among those that may be asked"},
		{name: "the client logs in", url: "/secret.yaml", fetcher: HTTPFetcher{Client: login}, want: "secret"},
		{name: "nobody logs in", url: "/secret.yaml", code: PermissionDenied, says: "403"},
		{name: "not there", url: "/nothing.yaml", code: NotFound, says: "404"},
		{name: "not now", url: "/busy.yaml", code: Unavailable, says: "503"},
		{name: "no file", url: "/odd.yaml", code: Failed, says: "418"},
		{name: "as large as may be", url: "/large.yaml", fetcher: HTTPFetcher{MaxSize: 101}, want: strings.Repeat("x", 101)},
		{name: "too large", url: "/large.yaml", fetcher: HTTPFetcher{MaxSize: 100}, code: InvalidArgument, says: "larger than the limit of 100 bytes"},
		{name: "cut short", url: "/cut.yaml", code: Unavailable, says: "unexpected EOF"},
		{name: "a redirect", url: "/once", want: "types"},
		{name: "no redirects", url: "/once", fetcher: HTTPFetcher{MaxRedirects: -1}, code: InvalidArgument, says: "more than 0 redirects"},
		{name: "endless redirects", url: "/loop", fetcher: HTTPFetcher{MaxRedirects: 3}, code: InvalidArgument, says: "more than 3 redirects"},
		{name: "a redirect to http", url: "/down", code: InvalidArgument, says: "http is not allowed"},
		{name: "a redirect away from the list", url: "/away", fetcher: HTTPFetcher{Hosts: []string{host}}, code: InvalidArgument, says: "elsewhere.example.org is not among"},
		{name: "a redirect with a password", url: "/user", code: InvalidArgument, says: "follow a redirect to https://***@example.org/a.yaml: the URL holds a user name"},
		{name: "a redirect to what is no URL", url: "/broken", code: Unavailable, says: "https://***@example.org/%zz"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.fetcher.Client == nil {
				tt.fetcher.Client = server.Client()
			}
			got, err := tt.fetcher.Fetch(server.URL + tt.url)
			if tt.code == "" {
				require.NoError(t, err)
				require.Equal(t, tt.want, string(got))
				return
			}
			require.Equal(t, tt.code, errs.CodeOf(err), "%v", err)
			require.ErrorContains(t, err, tt.says)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestHTTPFetcherRefusesURLs(t *testing.T) {
	t.Parallel()
	for url, says := range map[string]string{
		"http://example.org/a.yaml":             "http is not allowed",
		"ftp://example.org/a.yaml":              `the scheme "ftp" is not known`,
		"file:///etc/passwd":                    `the scheme "file" is not known`,
		"https:///a.yaml":                       "has no host",
		"https://me:hunter2@example.org/a.yaml": "fetch https://***@example.org/a.yaml: the URL holds a user name or password",
		"https://hunter2@example.org/a.yaml":    "fetch https://***@example.org/a.yaml: the URL holds a user name or password",
		"https://example.org/%zz?hunter2":       "cannot be parsed",
	} {
		_, err := (&HTTPFetcher{}).Fetch(url)
		require.Equal(t, InvalidArgument, errs.CodeOf(err), url)
		require.ErrorContains(t, err, says)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestHTTPFetcherEnds(t *testing.T) {
	t.Parallel()
	server := fetchServer(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&HTTPFetcher{Client: server.Client()}).FetchContext(ctx, server.URL+"/wait")
	require.Equal(t, Canceled, errs.CodeOf(err))
	_, err = (&HTTPFetcher{Client: server.Client(), Timeout: 1}).Fetch(server.URL + "/wait")
	require.Equal(t, DeadlineExceeded, errs.CodeOf(err))
}

func TestHTTPFetcherAllowsHTTP(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("plain")) }))
	t.Cleanup(server.Close)
	got, err := (&HTTPFetcher{AllowHTTP: true}).Fetch(server.URL + "/a.yaml")
	require.NoError(t, err)
	require.Equal(t, "plain", string(got))
}
