package tosca

import "strings"

// kindSet is a set of kinds of data that an argument of a function may be of.
type kindSet uint16

const (
	textKind kindSet = 1 << iota
	integerKind
	floatKind
	booleanKind
	listKind
	mapKind
	// unitKind is a number with a unit.
	unitKind
	nullKind

	numberKind     = integerKind | floatKind
	amountKind     = numberKind | unitKind
	comparableKind = amountKind | textKind
	textOrList     = textKind | listKind
	listOrMap      = listKind | mapKind
	scalarOrList   = comparableKind | booleanKind | listKind
	anyKind        = scalarOrList | mapKind | nullKind
)

var kindNames = []struct {
	kind kindSet
	name string
}{
	{textKind, "string"}, {integerKind, "integer"}, {floatKind, "float"}, {booleanKind, "boolean"},
	{unitKind, "scalar"}, {listKind, "list"}, {mapKind, "map"}, {nullKind, "null"},
}

// String lists the kinds, such as "a string or list".
func (k kindSet) String() string {
	var names []string
	for _, n := range kindNames {
		if k&n.kind != 0 {
			names = append(names, n.name)
		}
	}
	switch len(names) {
	case 0:
		return "nothing"
	case 1:
		return article(names[0])
	}
	last := len(names) - 1
	return article(strings.Join(names[:last], ", ")) + " or " + names[last]
}

// plain leaves out what data may be taken for besides what it is.
func (k kindSet) plain() kindSet {
	if k&integerKind != 0 {
		k &^= floatKind
	}
	if k&textKind != 0 {
		k &^= unitKind
	}
	return k
}

// kindsOfData returns what data may be taken for.
func kindsOfData(data any) kindSet {
	switch data.(type) {
	case nil:
		return nullKind
	case bool:
		return booleanKind
	case int64:
		return integerKind | floatKind
	case float64:
		return floatKind
	case string:
		return textKind | unitKind
	case []any, []*Value:
		return listKind
	case map[string]any, []mapEntry, []calledEntry:
		return mapKind
	}
	return anyKind
}

// kinds returns what values of the schema may be taken for.
func (sc *Schema) kinds() kindSet {
	switch sc.primitive() {
	case stringType, timestampType, versionType, bytesType:
		return textKind
	case integerType:
		return integerKind | floatKind
	case floatType:
		return floatKind
	case booleanType:
		return booleanKind
	case nullType:
		return nullKind
	case listType, rangeType:
		return listKind
	case mapType, complexType:
		return mapKind
	case scalarType, scalarSizeType, scalarTimeType, scalarFrequencyType, scalarBitrateType:
		return unitKind
	}
	return anyKind
}

// schemaNamed returns the schema of a type built into the language.
func schemaNamed(name string) *Schema {
	if t := primitives[name]; t != nil {
		return &Schema{Type: t.typ.(*DataType)}
	}
	return nil
}

// entryOrNil is entry for a schema that may be nil.
func (sc *Schema) entryOrNil() *Schema {
	if sc == nil || sc.Type == nil {
		return nil
	}
	return sc.entry()
}

// typing finds the types of values in a context, as far as they can be told
// without a running deployment.
type typing struct {
	self Entity
	// subject is the type of $value; nil outside of a validation clause.
	subject *Schema
}

// maxTypingDepth bounds how deep calls are looked into.
const maxTypingDepth = 50

// of returns the schema of what a value evaluates to; nil where it is not known.
func (t typing) of(v *Value) *Schema { return t.at(v, 0) }

func (t typing) at(v *Value, depth int) *Schema {
	if v == nil || depth > maxTypingDepth {
		return nil
	}
	switch c := v.content.(type) {
	case *Call:
		return t.call(c, depth)
	case bool:
		return schemaNamed("boolean")
	case int64:
		return schemaNamed("integer")
	case float64:
		return schemaNamed("float")
	case []*Value:
		return schemaNamed("list")
	case []mapEntry, []calledEntry:
		return schemaNamed("map")
	}
	return nil // a text may be a value of many types
}

func (t typing) call(c *Call, depth int) *Schema {
	f := c.function
	switch {
	case f == nil:
		return nil
	case f.typeOf != nil:
		return f.typeOf(t, c)
	case f.gives != "":
		return schemaNamed(f.gives)
	case f.same:
		return t.common(c.Args, depth)
	}
	return nil
}

// common returns the type that arguments of one type have: the most telling
// one that is known.
func (t typing) common(args []*Value, depth int) *Schema {
	var found *Schema
	for _, arg := range args {
		sc := t.at(arg, depth+1)
		switch {
		case sc == nil:
		case found == nil,
			found.primitive() == integerType && sc.primitive() == floatType,
			found.primitive() == listType && found.entryOrNil() == nil:
			found = sc
		}
	}
	return found
}

// comparedSchema returns the type of what a call compares or calculates with;
// nil where none of the arguments has a known one.
func (e *evaluation) comparedSchema(c *Call) *Schema {
	if e == nil {
		return nil
	}
	return typing{self: e.self, subject: e.subjectSchema}.common(c.Args, 0)
}

// schemaOf returns the type of an argument of a call, or nil.
func (e *evaluation) schemaOf(c *Call, i int) *Schema {
	if e == nil || i >= len(c.Args) {
		return nil
	}
	return typing{self: e.self, subject: e.subjectSchema}.of(c.Args[i])
}
