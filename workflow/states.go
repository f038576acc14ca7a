package workflow

// The states of a node instance.
//
// Source: TOSCA 1.3 section 3.4.1 (node states).
const (
	Initial     = "initial"
	Creating    = "creating"
	Created     = "created"
	Configuring = "configuring"
	Configured  = "configured"
	Starting    = "starting"
	Started     = "started"
	Stopping    = "stopping"
	Deleting    = "deleting"
	Errored     = "error"
)

// Current is what is there: the state of each existing instance of a
// deployment, nodes and relationships, by instance ID. nil means nothing.
type Current map[string]string

// gone tells that nothing of the node instance exists in the outside world.
func (c Current) gone(id string) bool {
	s, ok := c[id]
	return !ok || s == Initial || s == ""
}
