package executor

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"github.com/seed-a4fd30b5/orchestrator/csar"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/tosca"
)

// templateCache keeps the service templates that were used last.
type templateCache struct {
	mu   sync.Mutex
	used []*loadedTemplate // last used last
}

// cachedTemplates is how many templates an engine keeps in memory.
const cachedTemplates = 16

type loadedTemplate struct {
	digest, entry string
	// inputs are the values of the inputs that it was loaded with, encoded;
	// empty for one that was loaded without.
	inputs   string
	template *tosca.ServiceTemplate
	files    fs.FS
	// definitions are what tosca.Options.Definitions must be.
	definitions []string
}

func (c *templateCache) get(digest, entry, inputs string) *loadedTemplate {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, t := range c.used {
		if t.digest == digest && t.entry == entry && t.inputs == inputs {
			c.used = append(slices.Delete(c.used, i, i+1), t)
			return t
		}
	}
	return nil
}

func (c *templateCache) put(t *loadedTemplate) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.used) >= cachedTemplates {
		c.used = slices.Delete(c.used, 0, 1)
	}
	c.used = append(c.used, t)
}

// packed is a service template with the bytes of the archive to store.
type packed struct {
	*loadedTemplate
	blob []byte
}

// pack loads the service template of an archive and packs what it uses: from
// then on the deployment depends on nothing outside of the store. A template
// that the caller has loaded already is not loaded again, unless with Options
// that let pass what stored would not.
func (e *Engine) pack(a Archive, t *tosca.ServiceTemplate) (*packed, error) {
	archive, ok := a.(*csar.Archive)
	if !ok {
		var err error
		if archive, err = csar.FromFS(a.FS(), a.Entry()); err != nil {
			return nil, err
		}
	}
	opts := tosca.Options{Definitions: definitions(archive), Functions: e.functionNames(), Profiles: e.cfg.Profiles, Fetch: e.cfg.Fetch}
	var err error
	if t == nil {
		if t, err = load(archive.FS(), archive.Entry(), opts); err != nil {
			return nil, err
		}
	}
	if archive, err = archive.Add(t.External, t.UsedFiles()); err != nil {
		return nil, err
	}
	if !t.LoadedAs(&opts) {
		if t, err = load(archive.FS(), archive.Entry(), opts); err != nil {
			return nil, err
		}
	}
	if archive.Meta().File == "" {
		if archive, err = archive.Subset(t.UsedFiles()); err != nil {
			return nil, err
		}
	}
	var blob bytes.Buffer
	if err := csar.Pack(&blob, archive, &csar.PackOptions{NoMeta: true}); err != nil {
		return nil, err
	}
	files, err := csar.OpenReader(bytes.NewReader(blob.Bytes()), int64(blob.Len()), &csar.Options{Entry: archive.Entry()})
	if err != nil {
		return nil, err
	}
	return &packed{
		loadedTemplate: &loadedTemplate{digest: digestOf(blob.Bytes()), entry: archive.Entry(), template: t, files: files.FS(), definitions: definitions(archive)},
		blob:           blob.Bytes(),
	}, nil
}

func load(files fs.FS, entry string, opts tosca.Options) (*tosca.ServiceTemplate, error) {
	t, diags := tosca.Load(files, entry, &opts)
	if err := faults(diags); err != nil {
		return nil, &errs.Error{Code: errs.InvalidArgument, Op: "load", Subject: entry, Err: err}
	}
	return t, nil
}

// functionNames are the custom functions that templates may call without
// defining them.
func (e *Engine) functionNames() []string { return slices.Sorted(maps.Keys(e.cfg.Functions)) }

// definitions are the further service templates of an archive: all that there
// are for nodes that are substituted.
func definitions(a *csar.Archive) []string {
	return append([]string{}, a.OtherDefinitions()...)
}

// faults is the error that diagnostics amount to; nil where none is an error.
func faults(diags tosca.Diagnostics) error {
	var list []error
	for _, d := range diags {
		if d.Severity != tosca.Error {
			continue
		}
		hint := ""
		if d.Suggestion != "" {
			hint = fmt.Sprintf(" (did you mean %q?)", d.Suggestion)
		}
		where := d.Range.File
		if d.Range.Start.Line > 0 {
			where = fmt.Sprintf("%s:%d:%d", d.Range.File, d.Range.Start.Line, d.Range.Start.Column)
		}
		list = append(list, fmt.Errorf("%s: %s%s", where, d.Summary, hint))
	}
	return errors.Join(list...)
}

// stored loads the template that a deployment was made of.
func (e *Engine) stored(ctx context.Context, digest, entry string) (*loadedTemplate, error) {
	if t := e.loaded.get(digest, entry, ""); t != nil {
		return t, nil
	}
	const doing = "read the stored template"
	r, err := e.cfg.Store.Blob(ctx, digest)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	blob, err := io.ReadAll(r)
	if err != nil {
		return nil, errs.Wrap(err, doing, digest)
	}
	archive, err := csar.OpenReader(bytes.NewReader(blob), int64(len(blob)), &csar.Options{Entry: entry})
	if err != nil {
		return nil, errs.Wrap(err, doing, digest)
	}
	t, diags := tosca.Load(archive.FS(), entry, &tosca.Options{Definitions: definitions(archive), Functions: e.functionNames()})
	if err := faults(diags); err != nil {
		return nil, &errs.Error{Code: errs.FailedPrecondition, Op: doing, Subject: entry, Err: err,
			Hint: "it was deployed by a release that was less strict, or by an engine with more Config.Functions"}
	}
	loaded := &loadedTemplate{digest: digest, entry: entry, template: t, files: archive.FS(), definitions: definitions(archive)}
	e.loaded.put(loaded)
	return loaded, nil
}

// shaped is the template as it is with the given inputs: where they decide
// which nodes there are, it is loaded with them.
func (e *Engine) shaped(t *loadedTemplate, given map[string]any) (*loadedTemplate, error) {
	if len(t.template.ShapeInputs) == 0 {
		return t, nil
	}
	values, _ := t.template.ResolveInputs(given)
	inputs, err := json.Marshal(values)
	if err != nil {
		return nil, &errs.Error{Code: errs.InvalidArgument, Op: "load", Subject: t.entry, Err: err}
	}
	if known := e.loaded.get(t.digest, t.entry, string(inputs)); known != nil {
		return known, nil
	}
	template, err := load(t.files, t.entry, tosca.Options{Inputs: given, Definitions: t.definitions, Functions: e.functionNames()})
	if err != nil {
		return nil, err
	}
	loaded := &loadedTemplate{digest: t.digest, entry: t.entry, inputs: string(inputs), template: template, files: t.files, definitions: t.definitions}
	e.loaded.put(loaded)
	return loaded, nil
}

// newService joins a template with inputs that are checked.
func (e *Engine) newService(t *loadedTemplate, given map[string]any) (*service, error) {
	t, err := e.shaped(t, given)
	if err != nil {
		return nil, err
	}
	values, diags := t.template.ResolveInputs(given)
	if !diags.HasErrors() {
		diags = append(diags, t.template.CheckProperties(values)...)
	}
	if err := faults(diags); err != nil {
		return nil, &errs.Error{Code: errs.InvalidArgument, Op: "check the inputs of", Subject: t.entry, Err: err}
	}
	return &service{template: t.template, files: t.files, given: given, values: values,
		origin: origin{Template: t.digest, Entry: t.entry}}, nil
}

// storedService loads the template and inputs of a deployment. Inputs that were
// not stored, since they are sensitive, must be among extra where they are needed.
func (e *Engine) storedService(ctx context.Context, o origin, extra map[string]any) (*service, error) {
	t, err := e.stored(ctx, o.Template, o.Entry)
	if err != nil {
		return nil, err
	}
	given, unstored, err := e.loadInputs(o.Inputs)
	if err != nil {
		return nil, err
	}
	for name, value := range extra {
		if parameter(t.template.Inputs, name) == nil {
			return nil, errs.New(errs.InvalidArgument, "check the inputs of", t.entry, "there is no input %q", name)
		}
		given[name] = value
		delete(unstored, name)
	}
	for _, name := range t.template.ShapeInputs {
		if unstored[name] {
			return nil, &errs.Error{Code: errs.FailedPrecondition, Op: "read input", Subject: name, Err: errUnstored}
		}
	}
	if t, err = e.shaped(t, given); err != nil {
		return nil, err
	}
	// What was accepted once is not refused now: faults show where a value is used.
	values, _ := t.template.ResolveInputs(given)
	for name := range unstored {
		delete(values, name)
	}
	return &service{template: t.template, files: t.files, given: given, unstored: unstored, values: values, origin: o}, nil
}

// storeInputs encodes the given inputs for the record: sensitive ones sealed.
func (e *Engine) storeInputs(s *service) (json.RawMessage, error) {
	if len(s.given) == 0 && len(s.unstored) == 0 {
		return nil, nil
	}
	raw := map[string]json.RawMessage{}
	for name, value := range s.given {
		p := parameter(s.template.Inputs, name)
		stored, err := e.vault.store(value, p != nil && p.Sensitive)
		if err != nil {
			return nil, errs.Wrap(err, "store input", name)
		}
		raw[name] = stored
	}
	for name := range s.unstored {
		raw[name] = json.RawMessage(`{"` + unstoredKey + `":true}`)
	}
	return json.Marshal(raw)
}

// loadInputs decodes the inputs of a record.
func (e *Engine) loadInputs(raw json.RawMessage) (given map[string]any, unstored map[string]bool, err error) {
	given, unstored = map[string]any{}, map[string]bool{}
	if len(raw) == 0 {
		return given, unstored, nil
	}
	var values map[string]json.RawMessage
	if err := json.Unmarshal(raw, &values); err != nil {
		return nil, nil, errs.New(errs.Internal, "read the stored inputs", "", "%w", err)
	}
	for name, r := range values {
		value, _, err := e.vault.load(r)
		switch {
		case errors.Is(err, errUnstored):
			unstored[name] = true
		case err != nil:
			return nil, nil, errs.Wrap(err, "read input", name)
		default:
			given[name] = value
		}
	}
	return given, unstored, nil
}

// learnSecrets collects the values that must not be shown, as far as they are
// known by now: those of sensitive inputs and of sensitive properties and attributes.
func (l *live) learnSecrets() {
	for _, s := range []*service{l.service, l.old} {
		if s == nil {
			continue
		}
		if s.sensitive == nil {
			s.findSensitive()
		}
		for _, p := range s.sensitiveInputs {
			if v, ok, err := l.input(s, p.Name); ok && err == nil {
				l.secrets.Add(v)
			}
		}
		for _, n := range s.template.Nodes {
			if n.Substitution != nil {
				l.learnArguments(s, n.Substitution)
			}
		}
		for _, a := range s.sensitive {
			if v, err := l.eval(s, a.value, a.of); err == nil {
				l.secrets.Add(v)
			}
		}
	}
}

// learnArguments collects the sensitive inputs of a service that substitutes a node.
func (l *live) learnArguments(s *service, inner *tosca.ServiceTemplate) {
	for _, p := range inner.Inputs {
		if !p.Sensitive {
			continue
		}
		if v, ok, err := inner.InputValue(p.Name, env{live: l, service: s}); ok && err == nil {
			l.secrets.Add(v)
		}
	}
}

// learnSealed collects the secrets that instances were given at run time.
func (l *live) learnSealed() {
	learn := func(values map[string]json.RawMessage) {
		for _, raw := range values {
			if !bytes.HasPrefix(raw, []byte(`{"`+sealedKey)) {
				continue
			}
			if value, secret, err := l.vault.load(raw); secret && err == nil {
				l.secrets.Add(value)
			}
		}
	}
	for _, inst := range l.instances {
		learn(inst.Properties)
		learn(inst.Attributes)
		for _, m := range inst.CapabilityAttributes {
			learn(m)
		}
		for _, m := range inst.Outputs {
			learn(m)
		}
	}
}

// sensitiveValue is a value of the template that must not be shown, with what it belongs to.
type sensitiveValue struct {
	value *tosca.Value
	of    tosca.Entity
}

// findSensitive lists what is sensitive in the template.
func (s *service) findSensitive() {
	s.sensitive = []sensitiveValue{}
	add := func(of tosca.Entity, lists ...[]*tosca.Assignment) {
		for _, list := range lists {
			for _, a := range list {
				if a.Sensitive && a.Value != nil {
					s.sensitive = append(s.sensitive, sensitiveValue{a.Value, of})
				}
			}
		}
	}
	for _, p := range s.template.Inputs {
		if p.Sensitive {
			s.sensitiveInputs = append(s.sensitiveInputs, p)
		}
	}
	for _, n := range s.template.Nodes {
		node := tosca.Entity{Service: s.template, Node: n}
		add(node, n.Properties, n.Attributes)
		for _, c := range n.Capabilities {
			add(node, c.Properties, c.Attributes)
		}
		for _, r := range n.Requirements {
			if r.Relationship != nil {
				add(tosca.Entity{Service: s.template, Relationship: r.Relationship}, r.Relationship.Properties, r.Relationship.Attributes)
			}
		}
	}
}
