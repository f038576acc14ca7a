package tosca

import "strings"

// search calls hit for each file in which a name can stand as this file writes
// it, with what is left of the name there: this file first, then what it
// imports, nearest first, until hit is true. An import with a namespace takes
// that many "namespace:" off the name. It serves all that has names across
// files: types, repositories and functions.
//
// Source: TOSCA 2.0 section 6.8.4.
func (d *document) search(name string, hit func(in *document, local string) bool) bool {
	if hit(d, name) {
		return true
	}
	if len(d.imports) == 0 {
		return false
	}
	type place struct {
		doc  *document
		left int // bytes of the name
	}
	queue := []place{{d, len(name)}}
	seen := map[place]bool{queue[0]: true}
	for i := 0; i < len(queue); i++ {
		for _, imp := range queue[i].doc.imports {
			local := name[len(name)-queue[i].left:]
			if imp.prefix != "" {
				var ok bool
				if local, ok = strings.CutPrefix(local, imp.prefix+":"); !ok {
					continue
				}
			}
			next := place{imp.doc, len(local)}
			if seen[next] {
				continue
			}
			seen[next] = true
			if hit(imp.doc, local) {
				return true
			}
			queue = append(queue, next)
		}
	}
	return false
}

// repository returns the repository that a name means, or nil.
func (d *document) repositoryNamed(name string) *Repository {
	var found *Repository
	d.search(name, func(in *document, local string) bool {
		found = in.repositories[local]
		return found != nil
	})
	return found
}

// declared are the files that declare a type under a name, of one Load.
type declared map[nameKey][]*document

func (all declared) add(d *document) {
	for kind := range kinds {
		for name := range d.decls[kind] {
			key := nameKey{kind, name}
			all[key] = append(all[key], d)
		}
	}
}

// can tells whether any file declares what a name could mean, behind any
// namespaces. Most names are normative types, which no file declares.
func (all declared) can(kind typeKind, name string) bool {
	for {
		if len(all[nameKey{kind, name}]) > 0 {
			return true
		}
		var ok bool
		if _, name, ok = strings.Cut(name, ":"); !ok {
			return false
		}
	}
}

// checkDuplicateTypes reports types that two files give the same name where a
// third sees both by that name, and warns of imported types that a file hides
// by its own.
//
// Source: TOSCA 2.0 section 6.8.4.
func checkDuplicateTypes(docs []*document) {
	files := map[nameKey][]*document{}
	for _, d := range docs {
		for kind := range kinds {
			for _, t := range d.order[kind] {
				key := nameKey{kind, t.name}
				files[key] = append(files[key], d)
			}
		}
	}
	twice := map[nameKey]map[*document]bool{}
	for key, in := range files {
		if len(in) > 1 {
			twice[key] = map[*document]bool{}
			for _, d := range in {
				twice[key][d] = true
			}
		}
	}
	if len(twice) == 0 {
		return
	}
	told := map[nameKey]bool{}
	for _, d := range docs {
		for _, prefix := range d.namespaces() {
			near := d.reach(prefix)
			for key, in := range twice {
				if count(near, in) >= 2 || prefix == "" && in[d] && count(near, in) == 1 {
					d.checkDuplicate(key, prefix, told)
				}
			}
		}
	}
}

// namespaces are those of the imports, each once, in order.
func (d *document) namespaces() []string {
	var list []string
	seen := map[string]bool{}
	for _, imp := range d.imports {
		if !seen[imp.prefix] {
			seen[imp.prefix] = true
			list = append(list, imp.prefix)
		}
	}
	return list
}

// reach are the files whose types are in a namespace of this file.
func (d *document) reach(prefix string) []*document {
	var list []*document
	seen := map[*document]bool{d: prefix == ""}
	for _, imp := range d.imports {
		if imp.prefix == prefix && !imp.doc.builtin && !seen[imp.doc] {
			seen[imp.doc] = true
			list = append(list, imp.doc)
		}
	}
	for i := 0; i < len(list); i++ {
		for _, imp := range list[i].imports {
			if imp.prefix == "" && !imp.doc.builtin && !seen[imp.doc] {
				seen[imp.doc] = true
				list = append(list, imp.doc)
			}
		}
	}
	return list
}

func count(docs []*document, in map[*document]bool) int {
	n := 0
	for _, d := range docs {
		if in[d] {
			n++
		}
	}
	return n
}

// checkDuplicate reports a name that stands for two types in a namespace of
// this file. A file's own type hides what is behind its imports.
func (d *document) checkDuplicate(key nameKey, prefix string, told map[nameKey]bool) {
	var found []*typeDecl
	seen := map[*document]bool{d: prefix == ""}
	var visit func(in *document, prefix string)
	visit = func(in *document, prefix string) {
		for _, imp := range in.imports {
			if imp.prefix != prefix || imp.doc.builtin || seen[imp.doc] {
				continue
			}
			seen[imp.doc] = true
			if t := imp.doc.decls[key.kind][key.name]; t != nil {
				found = append(found, t)
				continue
			}
			visit(imp.doc, "")
		}
	}
	visit(d, prefix)
	if len(found) == 0 {
		return
	}
	first := found[0]
	if own := d.decls[key.kind][key.name]; prefix == "" && own != nil {
		dia := d.warnf(codeShadowedType, own.key, "the %s %q hides the one of %s", key.kind, key.name, first.doc.name)
		dia.Related = []RelatedRange{{first.doc.rng(first.key), "hidden in this file"}}
		dia.Detail = "Import that file into a namespace to use both."
		dia.Section = d.v.at("6.8.4")
		if !d.v.v2() {
			dia.Section = ""
		}
		return
	}
	if len(found) == 1 || told[key] {
		return
	}
	told[key] = true
	dia := first.doc.errorf(codeDuplicateType, first.key, "the %s %q is declared in two files", key.kind, key.name)
	dia.Related = []RelatedRange{{found[1].doc.rng(found[1].key), "and here"}}
	dia.Detail = d.name + " imports both; import one of them into a namespace."
	if d.v.v2() {
		dia.Section = d.v.at("6.8.4")
	}
}
