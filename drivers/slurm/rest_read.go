package slurm

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
)

// The answers of the API differ by version: a number may be an object with a
// flag that it is set, a word may be a list of words. What follows reads both.

func object(v any) map[string]any { m, _ := v.(map[string]any); return m }

func array(v any) []any { a, _ := v.([]any); return a }

func str(v any) string { s, _ := v.(string); return s }

// num reads 7 and {"set": true, "infinite": false, "number": 7}. Numbers that are
// not set are none; so is -1, which 22.05 writes for no limit.
func num(v any) (int64, bool) {
	switch v := v.(type) {
	case float64:
		return int64(v), v >= 0 && v < 1<<53
	case map[string]any:
		if set, ok := v["set"].(bool); ok && !set {
			return 0, false
		}
		if infinite, ok := v["infinite"].(bool); ok && infinite {
			return 0, false
		}
		return num(v["number"])
	}
	return 0, false
}

// words reads "idle" and ["IDLE", "DRAIN"].
func words(v any) []string {
	if s := str(v); s != "" {
		return []string{s}
	}
	var all []string
	for _, w := range array(v) {
		all = append(all, str(w))
	}
	return all
}

func epoch(v any) time.Time {
	if n, ok := num(v); ok && n > 0 {
		return time.Unix(n, 0).UTC()
	}
	return time.Time{}
}

// exit reads the raw status of wait(2), and the object of later versions.
func exit(v any) (code, signal int) {
	if m := object(v); m["return_code"] != nil || m["signal"] != nil {
		c, _ := num(m["return_code"])
		s := object(m["signal"])
		id, ok := num(s["id"])
		if !ok {
			id, _ = num(s["signal_id"])
		}
		return int(c & 0xff), int(id & 0x7f)
	}
	n, _ := num(v)
	return rawExit(uint64(n))
}

// parseJobs reads the jobs of an answer, and the numbers of the tasks of arrays,
// by their IDs.
func parseJobs(answered map[string]any) ([]entry, map[string]int64) {
	var all []entry
	raw := map[string]int64{}
	for _, v := range array(answered["jobs"]) {
		j := object(v)
		number, ok := num(j["job_id"])
		if !ok || number == 0 {
			continue
		}
		job := &hpc.Job{
			ID: strconv.FormatInt(number, 10), Name: str(j["name"]), Tag: str(j["comment"]), User: str(j["user_name"]), Queue: str(j["partition"]),
			WorkDir: str(j["current_working_directory"]), Nodes: expandNodes(str(j["nodes"])), Index: -1,
			Submitted: epoch(j["submit_time"]), Eligible: epoch(j["eligible_time"]),
		}
		requeues, _ := num(j["restart_cnt"])
		job.Requeues = int(requeues)
		job.ExitCode, job.Signal = exit(j["exit_code"])
		describe(job, lastKnown(words(j["job_state"])), str(j["state_reason"]))
		if job.State != hpc.Queued && job.State != hpc.Held {
			job.Started = epoch(j["start_time"])
		}
		if job.State.Ended() || job.State == hpc.Completing {
			job.Ended = epoch(j["end_time"])
		}
		if !job.Started.IsZero() && job.Ended.After(job.Started) {
			job.Usage.Elapsed = job.Ended.Sub(job.Started)
		}
		parent, _ := num(j["array_job_id"])
		index, isTask := num(j["array_task_id"])
		folded := str(j["array_task_string"])
		switch {
		case parent != 0 && isTask:
			id := taskID(strconv.FormatInt(parent, 10), int(index))
			raw[id] = number
			all = unfold(all, job, strconv.FormatInt(parent, 10), strconv.FormatInt(index, 10), "")
		case parent != 0 && folded != "":
			all = unfold(all, job, strconv.FormatInt(parent, 10), folded, "")
		default:
			all = append(all, entry{job, "", ""})
		}
	}
	return all, raw
}

// lastKnown returns the word that tells most: flags such as COMPLETING stand
// behind the state.
func lastKnown(states []string) string {
	for _, word := range slices.Backward(states) {
		if _, known := phases[word]; known {
			return word
		}
	}
	return strings.Join(states, "+")
}

func readPartitions(answered map[string]any) []*hpc.Queue {
	var queues []*hpc.Queue
	for _, v := range array(answered["partitions"]) {
		p := object(v)
		state := words(p["state"])
		if state == nil {
			state = words(object(p["partition"])["state"]) // since v0.0.39
		}
		minutes, ok := num(p["max_time_limit"])
		if !ok {
			minutes, _ = num(object(p["maximums"])["time"])
		}
		nodes, ok := num(p["total_nodes"])
		if !ok {
			nodes, _ = num(object(p["nodes"])["total"])
		}
		is := func(all ...string) bool {
			return slices.ContainsFunc(state, func(s string) bool { return slices.Contains(all, s) })
		}
		queues = append(queues, &hpc.Queue{
			Name: str(p["name"]), Default: slices.Contains(words(p["flags"]), "default"), Enabled: is("UP", "DOWN"), Started: is("UP", "DRAIN"),
			MaxWalltime: time.Duration(min(minutes, 1<<32)) * time.Minute, Nodes: int(nodes),
		})
	}
	slices.SortFunc(queues, func(a, b *hpc.Queue) int { return cmp.Compare(a.Name, b.Name) })
	return queues
}

func readNodes(answered map[string]any) []*hpc.Node {
	var nodes []*hpc.Node
	for _, v := range array(answered["nodes"]) {
		n := object(v)
		state := append(words(n["state"]), words(n["state_flags"])...)
		cpus, _ := num(n["cpus"])
		memory, _ := num(n["real_memory"])
		features := words(n["features"])
		if s := str(n["features"]); s != "" {
			features = list(s)
		}
		nodes = append(nodes, &hpc.Node{
			Name: str(n["name"]), State: nodeState(state), Raw: strings.ToUpper(strings.Join(state, "+")), Reason: str(n["reason"]), Queues: words(n["partitions"]),
			CPUs: int(cpus), Memory: min(memory, 1<<40) << 20, GPUs: countGPUs(str(n["gres"])), Features: features,
		})
	}
	slices.SortFunc(nodes, func(a, b *hpc.Node) int { return cmp.Compare(a.Name, b.Name) })
	return nodes
}
