package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
	"github.com/seed-a4fd30b5/orchestrator/workflow"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// deployment is the ID of the one deployment that an instance folder holds.
const deployment = "opera"

// stateFile and keyFile lie in an instance folder.
const (
	stateFile = "state.db"
	keyFile   = "key"
)

// Labels of the deployment: where the service template came from.
const (
	labelTemplate    = "service_template"
	labelContentRoot = "content_root"
)

// instanceFlags say where the state lies and how a run is shown.
type instanceFlags struct {
	io       stdio
	path     string
	store    string
	inputs   string
	given    *tosca.InputsFile // the file of inputs, once it is read
	text     []byte            // what stands in it
	excerpts map[string][]byte // what may be shown of it
	workers  int
	verbose  bool
	progress string
	// keepGoing, rerunLost and dryRun are of commands that run something.
	keepGoing, rerunLost, dryRun, rollback bool
	// diagnostics is how faults of a template are printed: "json" or "sarif", else as text.
	diagnostics string
	// profiles are the folders and CSARs that profiles are looked for in,
	// importHosts the hosts that imports may be fetched from.
	profiles, importHosts []string
}

func (f *instanceFlags) addPath(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.path, "instance-path", "p", "", "existing folder that keeps the state (default .opera, made when needed)")
	cmd.Flags().StringVar(&f.store, "store", os.Getenv(storeVariable), "URL of a PostgreSQL database that keeps the state instead, such as postgres://user@host/database?schema=name (default $"+storeVariable+")")
	cmd.Flags().Lookup("store").DefValue = "" // it may hold a password
	cmd.Flags().BoolVarP(&f.verbose, "verbose", "v", false, "show what operations print")
}

func (f *instanceFlags) addInputs(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.inputs, "inputs", "i", "", "YAML or JSON file with the inputs")
}

// addImports adds the flags of commands that load a service template.
func (f *instanceFlags) addImports(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.profiles, "profile-path", nil, "folder or CSAR with TOSCA profiles; may be given several times")
	cmd.Flags().StringArrayVar(&f.importHosts, "import-from", nil, "host that the template may import files from by https; may be given several times")
}

func (f *instanceFlags) addRun(cmd *cobra.Command) {
	cmd.Flags().IntVarP(&f.workers, "workers", "w", 1, "number of operations that may run at once")
	cmd.Flags().StringVar(&f.progress, "progress", "auto", "how to show progress: auto, live, plain, json or none")
	cmd.Flags().BoolVar(&f.keepGoing, "keep-going", false, "after a failure go on with all that does not depend on it")
	cmd.Flags().BoolVar(&f.rerunLost, "rerun-lost", false, "run operations again whose outcome nobody can tell, and begin although some of the last run may not have stopped")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only show the steps, without doing anything")
}

func (f *instanceFlags) onFailure() executor.FailurePolicy {
	if f.keepGoing {
		return executor.Continue
	}
	return executor.Stop
}

// printPlan prints what would be done.
func (f *instanceFlags) printPlan(plan *workflow.Plan, err error) error {
	if err != nil {
		return err
	}
	return plan.WriteTable(f.io.out)
}

// instance is an open instance folder.
type instance struct {
	store  state.Store
	engine *executor.Engine
	show   progress
	close  func()
}

// folder returns the instance folder. Only the default one is made.
func (f *instanceFlags) folder(create bool) (string, error) {
	if f.path == "" {
		if create {
			if err := os.MkdirAll(".opera", 0o700); err != nil {
				return "", err
			}
		}
		return ".opera", nil
	}
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("the instance path %s does not exist: make the folder first", f.path)
	case err != nil:
		return "", err
	case !info.IsDir():
		return "", fmt.Errorf("the instance path %s is not a folder", f.path)
	}
	return f.path, nil
}

// errNoState means that nothing was ever deployed from the instance folder.
var errNoState = errors.New("nothing is deployed here: there is no state in the instance folder; run \"opera deploy TEMPLATE\" first, or name the folder with -p")

// open opens the instance folder. Without create a missing one is errNoState.
func (f *instanceFlags) open(create, readOnly bool) (*instance, error) {
	if f.workers < 1 && !readOnly {
		return nil, fmt.Errorf("-w %d: the number of workers must be at least 1", f.workers)
	}
	dir, err := f.folder(create)
	if err != nil {
		return nil, err
	}
	key, err := secretKey(filepath.Join(dir, keyFile), create)
	if err != nil {
		return nil, err
	}
	show := progress(silent{})
	if !readOnly {
		if show, err = newProgress(f.progress, f.io.out, f.verbose); err != nil {
			return nil, err
		}
	}
	store, err := f.openStore(dir, create, readOnly)
	if err != nil {
		show.close()
		return nil, err
	}
	drivers, closeDrivers, err := f.drivers()
	if err != nil {
		show.close()
		return nil, errors.Join(err, store.Close())
	}
	engine, err := executor.New(executor.Config{Store: store, Drivers: drivers, Workers: f.workers, Key: key, Observe: show.event})
	if err != nil {
		closeDrivers()
		show.close()
		return nil, errors.Join(err, store.Close())
	}
	return &instance{store: store, engine: engine, show: show, close: func() {
		engine.Close()
		closeDrivers()
		show.close()
		store.Close()
	}}, nil
}

// secretKey returns the key that sealed values of the state are encrypted
// with, and makes it at first use. It lies beside the state: it keeps secrets
// out of copies of the state file, not from who can read the whole folder.
func secretKey(file string, create bool) ([]byte, error) {
	key, err := os.ReadFile(file)
	switch {
	case err == nil && len(key) != 32:
		return nil, fmt.Errorf("%s is not a key of 32 bytes", file)
	case err == nil || !errors.Is(err, fs.ErrNotExist):
		return key, err
	case !create:
		return nil, nil
	}
	key = make([]byte, 32)
	rand.Read(key)
	return key, os.WriteFile(file, key, 0o600)
}

// source is a service template that was opened and loaded.
type source struct {
	path     string
	archive  *csar.Archive
	template *tosca.ServiceTemplate
}

// load opens and loads a CSAR or service template and prints what is wrong
// with it to standard error. The error is errReported if it cannot be used.
func (f *instanceFlags) load(ctx context.Context, path string) (*source, error) {
	if ctx.Err() != nil {
		return nil, errInterrupted
	}
	var src *source
	var diags tosca.Diagnostics
	var err error
	loaded := make(chan struct{})
	go func() {
		defer close(loaded)
		src, diags, err = f.readTemplate(path)
	}()
	select {
	case <-ctx.Done(): // a large template need not be waited for
		return nil, errInterrupted
	case <-loaded:
	}
	if err != nil {
		return nil, err
	}
	if err := f.printDiagnostics(src.archive, path, diags); err != nil {
		return nil, errors.Join(err, src.archive.Close())
	}
	if diags.HasErrors() {
		return nil, errors.Join(errReported, src.archive.Close())
	}
	return src, nil
}

// readTemplate opens and loads a CSAR or service template.
func (f *instanceFlags) readTemplate(path string) (*source, tosca.Diagnostics, error) {
	archive, err := csar.Open(path, &csar.Options{Root: rootFor(path), AnyTemplate: true})
	if err != nil {
		return nil, nil, err
	}
	if f.given != nil {
		f.given.Name = nameUnder(sourceBase(archive, path), f.inputs)
	}
	opts := &tosca.Options{InputsFile: f.given, CheckInputs: f.given != nil, Definitions: append([]string{}, archive.OtherDefinitions()...)}
	end, err := f.imports(opts)
	if err != nil {
		return nil, nil, errors.Join(err, archive.Close())
	}
	defer end()
	t, diags := tosca.Load(archive.FS(), archive.Entry(), opts)
	inFlags(diags)
	if t != nil {
		f.excerpts = f.showable(t)
		// From here on the files from elsewhere are the archive's own.
		with, err := archive.Add(t.External, t.UsedFiles())
		if err != nil {
			return nil, nil, errors.Join(err, archive.Close())
		}
		archive = with
	}
	return &source{path: path, archive: archive, template: t}, diags, nil
}

// imports says where imports may come from besides the template's own files.
// end closes what was opened for it.
func (f *instanceFlags) imports(opts *tosca.Options) (end func(), err error) {
	var open []io.Closer
	end = func() {
		for _, c := range open {
			c.Close()
		}
	}
	for _, path := range f.profiles {
		info, err := os.Stat(path)
		switch {
		case err != nil:
		case info.IsDir():
			var root *os.Root
			if root, err = os.OpenRoot(path); err == nil {
				open, opts.Profiles = append(open, root), append(opts.Profiles, root.FS())
			}
		default:
			var archive *csar.Archive
			if archive, err = csar.Open(path, &csar.Options{AnyTemplate: true}); err == nil {
				open, opts.Profiles = append(open, archive), append(opts.Profiles, archive.FS())
			}
		}
		if err != nil {
			end()
			return nil, err
		}
	}
	if len(f.importHosts) > 0 {
		opts.Fetch = (&csar.HTTPFetcher{Hosts: f.importHosts}).Fetch
	}
	return end, nil
}

// flagWords are what users of this command call what the libraries call by the
// names of their API.
var flagWords = strings.NewReplacer(
	"(Options.Fetch)", "(--import-from HOST)",
	"add it to HTTPFetcher.Hosts if it is trusted", "allow it with --import-from if it is trusted",
	"use https, or set HTTPFetcher.AllowHTTP", "use https",
	"Give it a value; it has no default.", "Give it a value in the file of --inputs/-i; it has no default.",
	"in the folders of a search path", "in the folders of --profile-path",
)

func inFlags(diags tosca.Diagnostics) {
	for _, d := range diags {
		d.Summary, d.Detail = flagWords.Replace(d.Summary), flagWords.Replace(d.Detail)
	}
}

// printDiagnostics prints what is wrong with a template: for people to standard
// error, as JSON or SARIF to standard output, where "validate" asks for it.
func (f *instanceFlags) printDiagnostics(archive *csar.Archive, path string, diags tosca.Diagnostics) error {
	base := sourceBase(archive, path)
	switch f.diagnostics {
	case "json":
		return writeDiagnosticsJSON(f.io.out, diags.Under(base))
	case "sarif":
		return tosca.WriteSARIF(f.io.out, diags, &tosca.SARIFOptions{Tool: "opera", Version: versionOf(), Base: base})
	}
	colour := false
	if file, ok := f.io.err.(*os.File); ok {
		colour = term.IsTerminal(int(file.Fd())) && os.Getenv("NO_COLOR") == ""
	}
	var files fs.FS
	if archive != nil {
		files = archive.FS()
	}
	return tosca.WriteDiagnostics(f.io.err, files, diags, &tosca.WriteOptions{Color: colour, Base: base, Files: f.excerpts})
}

// rootFor returns the folder that imports and artifacts of a lone service
// template may reach: the working directory if the template lies in it, else
// its own folder (the empty string).
func rootFor(path string) string {
	wd, err := os.Getwd()
	if err != nil {
		return ""
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return ""
	}
	if rel, err := filepath.Rel(wd, abs); err == nil && filepath.IsLocal(rel) {
		return wd
	}
	return ""
}

// request makes a request of a source; a nil one means the stored template.
func (f *instanceFlags) request(src *source, inputs map[string]any) executor.Request {
	req := executor.Request{Deployment: deployment, Inputs: inputs, Workers: f.workers, OnFailure: f.onFailure(), RerunLost: f.rerunLost}
	if src != nil {
		req.Archive, req.Template = src.archive, src.template
		root, err := filepath.Abs(filepath.Dir(src.path))
		if err != nil {
			root = filepath.Dir(src.path)
		}
		req.Labels = map[string]string{labelTemplate: src.path, labelContentRoot: root}
	}
	return req
}

// report tells how a run ended. What failed was shown by the progress display
// of a verbose or plain run too, but a summary at the end is never missed.
func (f *instanceFlags) report(in *instance, result *executor.Result, err error) error {
	in.show.close()
	if err == nil || result == nil || len(result.Failures) == 0 {
		return err
	}
	for _, failure := range result.Failures {
		fmt.Fprintf(f.io.err, "opera: %v\n", failure)
	}
	if run := result.Run; run != nil {
		fmt.Fprintf(f.io.err, "opera: the %s failed: %d of %d steps done, %d failed, %d not reached\n", run.Kind, run.Done, run.Steps, run.Failed, run.Skipped)
	}
	if back := result.Rollback; back != nil {
		for _, failure := range back.Failures {
			fmt.Fprintf(f.io.err, "opera: %v\n", failure)
		}
		fmt.Fprintf(f.io.err, "opera: the rollback has %s\n", back.Run.Status)
	} else if run := result.Run; run != nil {
		fmt.Fprintf(f.io.err, "opera: %s\n", next(run.Kind))
	}
	return errReported
}

// next says what to do after a run that failed. A resumed run has the files
// as they were: whoever has mended one must give the template again.
func next(kind string) string {
	again := ""
	switch kind {
	case "deploy":
		again = ", or with \"opera deploy --resume TEMPLATE\" where its files were mended; \"opera undeploy\" takes back what is there"
	case "update":
		again = ", or with \"opera update TEMPLATE\" where its files were mended"
	}
	return "see \"opera logs\" for what was printed; go on with \"opera resume\"" + again
}

// nodes are the IDs of the instances of a template's nodes.
func (s *source) nodes() []string {
	var ids []string
	for _, n := range s.template.Nodes {
		ids = append(ids, workflow.NodeID(n.Name, n.Index))
	}
	return ids
}

// known returns the record of the deployment, or nil if there is none.
func (in *instance) known(ctx context.Context) (*state.Deployment, error) {
	d, err := in.store.Deployment(ctx, deployment)
	if executor.CodeOf(err) == executor.NotFound {
		return nil, nil
	}
	return d, err
}
