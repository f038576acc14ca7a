package slurm

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

// Queues returns the partitions, in order of name, with how many jobs (each task
// of an array is one) wait and run in them: scontrol(1), "show partition".
func (m *Manager) Queues(ctx context.Context) ([]*hpc.Queue, error) {
	text, err := m.show(ctx, "partition")
	if err != nil {
		return nil, err
	}
	jobs, err := m.queue(ctx)
	if err != nil {
		return nil, err
	}
	return countJobs(parsePartitions(text), jobs), nil
}

// countJobs counts the jobs of each queue; those that may go to several wait in each.
func countJobs(queues []*hpc.Queue, jobs []entry) []*hpc.Queue {
	for _, q := range queues {
		for _, j := range jobs {
			switch {
			case !slices.Contains(strings.Split(j.Queue, ","), q.Name):
			case j.State == hpc.Queued || j.State == hpc.Held:
				q.Queued++
			case !j.State.Ended():
				q.Running++
			}
		}
	}
	return queues
}

// Nodes returns the compute nodes, in order of name, with the jobs on them:
// scontrol(1), "show node".
func (m *Manager) Nodes(ctx context.Context) ([]*hpc.Node, error) {
	text, err := m.show(ctx, "node")
	if err != nil {
		return nil, err
	}
	jobs, err := m.queue(ctx)
	if err != nil {
		return nil, err
	}
	return placeJobs(parseNodes(text), jobs), nil
}

// placeJobs names the jobs on each node.
func placeJobs(nodes []*hpc.Node, jobs []entry) []*hpc.Node {
	byName := map[string]*hpc.Node{}
	for _, n := range nodes {
		byName[n.Name] = n
	}
	for _, j := range jobs {
		if j.State.Ended() || j.State == hpc.Queued || j.State == hpc.Held {
			continue
		}
		for _, name := range j.Nodes {
			if n := byName[name]; n != nil {
				n.Jobs = append(n.Jobs, j.ID)
			}
		}
	}
	return nodes
}

// show runs scontrol show with one line for each.
func (m *Manager) show(ctx context.Context, what string) (string, error) {
	said, err := m.ask(ctx, m.options.Timeout, "scontrol", "-a", "-o", "show", what)
	if err == nil && said.code != 0 {
		err = refused("ask after", "each "+what, said)
	}
	return said.out, err
}

// key begins a field of scontrol show.
var key = regexp.MustCompile(`(?:^| )([A-Z][A-Za-z]*)=`)

// attributes reads a line of scontrol -o: KEY=VALUE with blanks in some values.
// The reason is free text, and what stands behind it is part of it. The first of
// several equal keys counts.
func attributes(line string) map[string]string {
	all := map[string]string{}
	head, reason, found := strings.Cut(line, " Reason=")
	if found {
		all["Reason"] = strings.TrimSpace(reason)
	}
	places := key.FindAllStringSubmatchIndex(head, -1)
	for i, p := range places {
		end := len(head)
		if i+1 < len(places) {
			end = places[i+1][0]
		}
		if name := head[p[2]:p[3]]; all[name] == "" {
			all[name] = strings.TrimSpace(head[p[1]:end])
		}
	}
	return all
}

// parsePartitions reads scontrol -o show partition.
func parsePartitions(text string) []*hpc.Queue {
	var queues []*hpc.Queue
	for line := range strings.Lines(text) {
		a := attributes(strings.TrimSpace(line))
		if a["PartitionName"] == "" {
			continue
		}
		// slurm.conf(5), State of a partition: a DOWN one takes jobs and runs
		// none, a DRAIN one runs those it has.
		queues = append(queues, &hpc.Queue{
			Name: a["PartitionName"], Default: a["Default"] == "YES",
			Enabled: a["State"] == "UP" || a["State"] == "DOWN", Started: a["State"] == "UP" || a["State"] == "DRAIN",
			MaxWalltime: parseElapsed(a["MaxTime"]), Nodes: count(a["TotalNodes"]),
		})
	}
	slices.SortFunc(queues, func(a, b *hpc.Queue) int { return cmp.Compare(a.Name, b.Name) })
	return queues
}

// parseNodes reads scontrol -o show node.
func parseNodes(text string) []*hpc.Node {
	var nodes []*hpc.Node
	for line := range strings.Lines(text) {
		a := attributes(strings.TrimSpace(line))
		if a["NodeName"] == "" {
			continue
		}
		n := &hpc.Node{
			Name: a["NodeName"], Raw: a["State"], State: nodeState(strings.Split(a["State"], "+")), Reason: known(a["Reason"]),
			CPUs: count(a["CPUTot"]), Memory: parseBytes(a["RealMemory"], 1<<20), GPUs: countGPUs(a["Gres"]),
		}
		n.Queues = list(a["Partitions"])
		n.Features = list(a["AvailableFeatures"])
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b *hpc.Node) int { return cmp.Compare(a.Name, b.Name) })
	return nodes
}

func list(field string) []string {
	return strings.FieldsFunc(known(strings.TrimSpace(field)), func(r rune) bool { return r == ',' })
}

// nodeState tells a state by its words: a base such as IDLE and flags such as
// DRAIN: sinfo(1), "NODE STATE CODES". Signs behind a word are flags as well,
// and a * is a node that does not respond.
func nodeState(words []string) hpc.NodeState {
	state, drain, busy := hpc.NodeUnknown, false, false
	for _, word := range words {
		word = strings.ToUpper(word)
		if strings.HasSuffix(word, "*") {
			return hpc.NodeDown
		}
		switch strings.TrimRight(word, "~#!%$@^-") {
		case "DOWN", "ERROR", "FAIL", "FAILING", "FUTURE", "NOT_RESPONDING", "NO_RESPOND", "INVAL", "INVALID":
			return hpc.NodeDown
		case "DRAIN":
			drain = true
		case "DRAINING":
			drain, busy = true, true
		case "DRAINED":
			drain, state = true, hpc.NodeIdle
		case "COMPLETING":
			busy = true
		case "IDLE", "PLANNED", "RESERVED", "POWERED_DOWN", "POWERING_UP", "MAINT":
			if state == hpc.NodeUnknown {
				state = hpc.NodeIdle
			}
		case "MIXED", "MIX":
			state, busy = hpc.NodeMixed, true
		case "ALLOCATED", "ALLOC", "COMP":
			state, busy = hpc.NodeAllocated, true
		}
	}
	switch {
	case drain && busy:
		return hpc.NodeDraining
	case drain:
		return hpc.NodeDrained
	case busy && state == hpc.NodeIdle:
		return hpc.NodeMixed
	}
	return state
}

// countGPUs reads generic resources such as "gpu:a100:4(S:0-1),gpu:2,fpga:1".
func countGPUs(gres string) int {
	total := 0
	for one := range strings.SplitSeq(gres, ",") {
		one, _, _ = strings.Cut(strings.TrimSpace(one), "(")
		parts := strings.Split(one, ":")
		if parts[0] != "gpu" {
			continue
		}
		n, err := strconv.ParseUint(parts[len(parts)-1], 10, 16)
		if err != nil {
			n = 1 // of a kind, and its number left out
		}
		total += int(n)
	}
	return total
}
