package tosca

// Value is data or a call of a function, to any depth. It is parsed once,
// while loading, and calls that need nothing of the running deployment are
// folded then.
//
// Data are nil, bool, int64, float64, string, []any and map[string]any; what
// has a type with another form (scalar units, timestamps, versions, ranges) is
// kept as written, a string or list.
type Value struct {
	// Exactly one of: data (a constant of any depth), call, list or entries
	// (which hold a call somewhere below).
	data    any
	call    *Call
	list    []*Value
	entries []mapEntry
	rng     Range
}

type mapEntry struct {
	key   string
	value *Value
}

// Call is a call of a TOSCA function.
type Call struct {
	// Function is the name without a leading "$", such as "get_attribute".
	Function string
	Args     []*Value
	Range    Range
}

// Constant returns the Value of data.
func Constant(data any) *Value { return &Value{data: data} }

// Static returns the data of a Value that holds no call, and whether it is one.
func (v *Value) Static() (any, bool) {
	if v.call != nil || v.list != nil || v.entries != nil {
		return nil, false
	}
	return v.data, true
}

// Call returns the call that the Value is, or nil.
func (v *Value) Call() *Call { return v.call }

// Range tells where the Value stands.
func (v *Value) Range() Range { return v.rng }

// Entity is a thing of a running deployment in whose context a Value is
// evaluated: an instance of a node or of a relationship. The zero Entity, with
// Service only, is the service itself (its outputs).
type Entity struct {
	Service      *ServiceTemplate
	Node         *NodeTemplate
	Relationship *RelationshipTemplate
	// Index numbers the instances of one template, from 0.
	Index int
}

// Env answers what calls ask of a running deployment. Navigation along
// requirements, properties, type defaults and nested keys is the language's
// and is done by Eval; an Env knows only what exists at run time. An Env may
// return (nil, false, nil) for whatever has no value yet.
type Env interface {
	// Input returns the value of an input of the service template, default applied.
	Input(name string) (value any, ok bool, err error)
	// Attribute returns the value that an attribute of a node or relationship
	// instance, or of a capability of it where capability is not empty, was given at run time.
	Attribute(of Entity, capability, name string) (value any, ok bool, err error)
	// OperationOutput returns an output of an operation that ran.
	OperationOutput(of Entity, iface, operation, output string) (value any, ok bool, err error)
	// Artifact returns what get_artifact says of an artifact of the entity:
	// where the running operation finds the file.
	Artifact(of Entity, artifact *Artifact, location string, remove bool) (value any, ok bool, err error)
}
