package csar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/internal/redact"
)

// HTTPFetcher gets files by URL within bounds. A program that allows service
// templates to import from the network gives its method Fetch to the loader:
//
//	fetcher := &csar.HTTPFetcher{Hosts: []string{"profiles.example.org"}}
//	template, diags := tosca.Load(fsys, entry, &tosca.Options{Fetch: fetcher.Fetch})
//
// Whoever writes a template then decides what this machine asks for: name the
// Hosts, or give a Client whose transport reaches only what may be asked. It is
// safe for use by several goroutines.
type HTTPFetcher struct {
	// Client makes the requests; its transport may add credentials, and its
	// CheckRedirect is asked too. Default: a client of its own, without cookies,
	// that uses the proxy of the environment.
	Client *http.Client
	// Hosts are the only hosts that are asked, also by redirects, each as a URL
	// has it: "example.org", or "example.org:8443" for a port of its own.
	// Default: all.
	Hosts []string
	// AllowHTTP allows http: besides https:. Default: https only, also for
	// redirects.
	AllowHTTP bool
	// MaxSize is how large a file may be, in bytes. Default 16 MiB.
	MaxSize int64
	// MaxRedirects is how many redirects of one file are followed; negative
	// means none. Default 5.
	MaxRedirects int
	// Timeout bounds the time of one file. Default 30 seconds.
	Timeout time.Duration
}

// Fetch gets the file at a URL. The error is an InvalidArgument for a URL that
// is not allowed, NotFound and PermissionDenied as the server says, and
// Unavailable for what may work another time.
func (f *HTTPFetcher) Fetch(url string) ([]byte, error) {
	return f.FetchContext(context.Background(), url)
}

// FetchContext is Fetch within a context.
func (f *HTTPFetcher) FetchContext(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		// The error of url.Parse repeats the URL, which may hold a password.
		return nil, errs.New(errs.InvalidArgument, "fetch", "", "the URL cannot be parsed")
	}
	subject := redact.URLs(address)
	if err := f.allowed(u); err != nil {
		return nil, within(err, "fetch", subject)
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(f.Timeout, 30*time.Second))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errs.New(errs.InvalidArgument, "fetch", subject, "the URL cannot be requested")
	}
	res, err := f.client().Do(req)
	if err != nil {
		return nil, failed(ctx, subject, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, &errs.Error{Code: statusCode(res.StatusCode), Op: "fetch", Subject: subject,
			Err: fmt.Errorf("the server answers %s", res.Status)}
	}
	bound := cmp.Or(f.MaxSize, 16<<20)
	src, err := io.ReadAll(io.LimitReader(res.Body, bound+1))
	if err != nil {
		return nil, failed(ctx, subject, err)
	}
	if int64(len(src)) > bound {
		return nil, &errs.Error{Code: errs.InvalidArgument, Op: "fetch", Subject: subject,
			Err: fmt.Errorf("the file is larger than the limit of %d bytes", bound), Hint: "raise HTTPFetcher.MaxSize if the server is trusted"}
	}
	return src, nil
}

// client is the Client with the rules for redirects put before its own.
func (f *HTTPFetcher) client() *http.Client {
	client := http.Client{}
	if f.Client != nil {
		client = *f.Client
	}
	own := client.CheckRedirect
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if most := cmp.Or(f.MaxRedirects, 5); len(via) > max(most, 0) {
			return &errs.Error{Code: errs.InvalidArgument, Op: "follow a redirect to", Subject: redact.URLs(req.URL.String()),
				Err: fmt.Errorf("there are more than %d redirects", max(most, 0))}
		}
		if err := f.allowed(req.URL); err != nil {
			return within(err, "follow a redirect to", redact.URLs(req.URL.String()))
		}
		if own != nil {
			return own(req, via)
		}
		return nil
	}
	return &client
}

// allowed tells whether a URL may be asked for.
func (f *HTTPFetcher) allowed(u *url.URL) error {
	refuse := func(hint, format string, args ...any) error {
		return &errs.Error{Code: errs.InvalidArgument, Err: fmt.Errorf(format, args...), Hint: hint}
	}
	switch scheme := strings.ToLower(u.Scheme); {
	case scheme == "http" && !f.AllowHTTP:
		return refuse("use https, or set HTTPFetcher.AllowHTTP", "http is not allowed")
	case scheme != "https" && scheme != "http":
		return refuse("use https", "the scheme %q is not known", scheme)
	case u.Host == "":
		return refuse("", "the URL has no host")
	case u.User != nil:
		return refuse("let the transport of HTTPFetcher.Client log in", "the URL holds a user name or password")
	case len(f.Hosts) > 0 && !slices.ContainsFunc(f.Hosts, func(h string) bool { return strings.EqualFold(h, u.Host) }):
		return refuse("add it to HTTPFetcher.Hosts if it is trusted", "the host %s is not among those that may be asked", u.Host)
	}
	return nil
}

// failed classifies what the client says. Its own error repeats the URL.
func failed(ctx context.Context, subject string, err error) error {
	if e, ok := errors.AsType[*errs.Error](err); ok {
		return e
	}
	if ue, ok := errors.AsType[*url.Error](err); ok {
		err = ue.Err
	}
	if text := redact.URLs(err.Error()); text != err.Error() {
		err = errors.New(text) // such as a redirect to what is no URL
	}
	code := errs.Unavailable
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		code = errs.DeadlineExceeded
	case errors.Is(ctx.Err(), context.Canceled):
		code = errs.Canceled
	}
	return &errs.Error{Code: code, Op: "fetch", Subject: subject, Err: err}
}

func statusCode(status int) Code {
	switch {
	case status == http.StatusNotFound || status == http.StatusGone:
		return errs.NotFound
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return errs.PermissionDenied
	case status >= 500 || status == http.StatusTooManyRequests:
		return errs.Unavailable
	}
	return errs.Failed
}
