package workflow

import "strconv"

// NodeID is the ID of an instance of a node template: NodeID("web", 0) is
// "web_0". Index counts the instances of one template from 0.
func NodeID(template string, index int) string {
	return template + "_" + strconv.Itoa(index)
}

// RelationshipID is the ID of an instance of a relationship: that of its source
// instance, that of its target instance, the requirement and its index, as in
// "web_0--db_0--database.0". Index is tosca.Requirement.Index: it counts the
// requirements of the same name in one node from 0, so that any number of
// relationships between the same two nodes have IDs of their own.
func RelationshipID(source, target, requirement string, index int) string {
	return source + "--" + target + "--" + requirement + "." + strconv.Itoa(index)
}
