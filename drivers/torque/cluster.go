package torque

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/executor"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// Queues describes the queues, with "qstat -Q -f" and "qstat -B -f".
func (m *Manager) Queues(ctx context.Context) ([]*hpc.Queue, error) {
	queues, err := m.describe(ctx, "query queues on", parseText, "qstat", "-Q", "-f")
	if err != nil {
		return nil, err
	}
	servers, err := m.describe(ctx, "query the server on", parseText, "qstat", "-B", "-f")
	if err != nil {
		return nil, err
	}
	preferred := ""
	for _, s := range servers {
		preferred = cmp.Or(preferred, s.attrs["default_queue"])
	}
	list := make([]*hpc.Queue, len(queues))
	for i, r := range queues {
		list[i] = r.queue()
		list[i].Default = list[i].Name == preferred
	}
	slices.SortFunc(list, func(a, b *hpc.Queue) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// Nodes describes the compute nodes, with pbsnodes.
func (m *Manager) Nodes(ctx context.Context) ([]*hpc.Node, error) {
	kind, err := m.which(ctx)
	if err != nil {
		return nil, err
	}
	var records []record
	if kind == kindTorque {
		records, err = m.describe(ctx, "query nodes on", func(text []byte) ([]record, error) {
			return parseXML(text, "Node", "name")
		}, "pbsnodes", "-x")
	} else {
		records, err = m.describe(ctx, "query nodes on", func(text []byte) ([]record, error) {
			return parseJSON(text, "nodes")
		}, "pbsnodes", "-a", "-F", "json")
		if err != nil { // an operator's comment may make of it what is no JSON
			records, err = m.describe(ctx, "query nodes on", parseText, "pbsnodes", "-a")
		}
	}
	if err != nil {
		return nil, err
	}
	nodes := make([]*hpc.Node, len(records))
	for i, r := range records {
		nodes[i] = r.node(kind)
	}
	slices.SortFunc(nodes, func(a, b *hpc.Node) int { return strings.Compare(a.Name, b.Name) })
	return nodes, nil
}

func (m *Manager) describe(ctx context.Context, op string, parse func([]byte) ([]record, error), args ...string) ([]record, error) {
	r, err := m.run(ctx, args...)
	if err != nil {
		return nil, err
	}
	if r.Code != 0 {
		return nil, failure(op, m.shell.Name(), r)
	}
	records, err := parse(r.Stdout)
	if err != nil {
		return nil, executor.MarkRetryable(&errs.Error{Code: errs.Unavailable, Op: op, Subject: m.shell.Name(), Err: err})
	}
	return records, nil
}

func (r record) queue() *hpc.Queue {
	q := &hpc.Queue{Name: r.id, Enabled: r.attrs["enabled"] == "True", Started: r.attrs["started"] == "True",
		MaxWalltime: span(r.attrs["resources_max.walltime"])}
	for word := range strings.FieldsSeq(r.attrs["state_count"]) { // Transit:0 Queued:0 Held:1 …
		name, count, _ := strings.Cut(word, ":")
		n, _ := strconv.Atoi(count)
		switch name {
		case "Queued", "Held", "Waiting", "Transit":
			q.Queued += n
		case "Running", "Exiting", "Begun":
			q.Running += n
		}
	}
	return q
}

func (r record) node(kind string) *hpc.Node {
	a := r.attrs
	n := &hpc.Node{Name: r.id, Raw: a["state"], Reason: cmp.Or(a["note"], a["comment"])}
	used := 0
	if kind == kindPBS {
		n.CPUs = count(cmp.Or(a["resources_available.ncpus"], a["pcpus"]))
		n.Memory, n.GPUs = size(a["resources_available.mem"]), count(a["resources_available.ngpus"])
		used = count(a["resources_assigned.ncpus"])
		n.Features = features(a)
		if q := cmp.Or(a["queue"], a["resources_available.Qlist"]); q != "" {
			n.Queues = strings.Split(q, ",")
		}
	} else {
		n.CPUs, n.GPUs = count(a["np"]), count(a["gpus"])
		for pair := range strings.SplitSeq(a["status"], ",") {
			if name, value, _ := strings.Cut(pair, "="); name == "physmem" {
				n.Memory = size(value)
			}
		}
		if a["properties"] != "" {
			n.Features = strings.Split(a["properties"], ",")
		}
	}
	for slot := range strings.SplitSeq(a["jobs"], ",") { // 0/13.vm or 13.vm/0 or 0-3/13.vm
		for part := range strings.SplitSeq(strings.TrimSpace(slot), "/") {
			if strings.Contains(part, ".") && idForm.MatchString(part) {
				used = max(used, 1)
				if !slices.Contains(n.Jobs, part) {
					n.Jobs = append(n.Jobs, part)
				}
			}
		}
	}
	n.State = nodeState(n.Raw, used, n.CPUs)
	return n
}

// features are the resources of a PBS node that are true.
func features(attrs map[string]string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		if custom, found := strings.CutPrefix(name, "resources_available."); found && attrs[name] == "True" {
			names = append(names, custom)
		}
	}
	return names
}

// nodeState reads a list of states, such as "down,offline" or "job-exclusive".
// used counts processors, or is 1 where the manager names jobs only.
func nodeState(raw string, used, cpus int) hpc.NodeState {
	states := strings.FieldsFunc(raw, func(r rune) bool { return r == ',' || r == ' ' })
	has := func(words ...string) bool {
		return slices.ContainsFunc(states, func(s string) bool { return slices.Contains(words, s) })
	}
	switch {
	case has("down", "unknown", "state-unknown", "stale", "unresolvable", "Stale"):
		return hpc.NodeDown
	case has("offline", "offline_by_mom", "maintenance", "sleep"):
		if used > 0 {
			return hpc.NodeDraining
		}
		return hpc.NodeDrained
	case has("job-exclusive", "job-busy", "resv-exclusive", "busy", "job-sharing", "reserve"):
		return hpc.NodeAllocated
	case has("free"):
		switch {
		case used == 0:
			return hpc.NodeIdle
		case cpus > 0 && used >= cpus && used > 1:
			return hpc.NodeAllocated
		}
		return hpc.NodeMixed
	}
	return hpc.NodeUnknown
}

func count(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
