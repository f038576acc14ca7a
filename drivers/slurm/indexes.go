package slurm

import (
	"strconv"
	"strings"
)

// maxTasks bounds how many indexes of an array are listed: MaxArraySize of
// slurm.conf(5) is at most 4000001.
const maxTasks = 4000001

// expandIndexes lists the indexes that Slurm folds: "2-3,7,10-20:5%2" is 2, 3, 7,
// 10, 15 and 20. The part behind the % is how many run at once. It returns nil
// for what is not such a list.
func expandIndexes(folded string) []int {
	folded, _, _ = strings.Cut(strings.Trim(folded, "[]"), "%")
	var all []int
	for part := range strings.SplitSeq(folded, ",") {
		span, stride, stepped := strings.Cut(part, ":")
		low, high, ranged := strings.Cut(span, "-")
		from, err := strconv.ParseUint(low, 10, 31)
		if err != nil {
			return nil
		}
		to, step := from, uint64(1)
		if ranged {
			if to, err = strconv.ParseUint(high, 10, 31); err != nil {
				return nil
			}
		}
		if stepped {
			if step, err = strconv.ParseUint(stride, 10, 31); err != nil || step == 0 {
				return nil
			}
		}
		for i := from; i <= to; i += step {
			if len(all) == maxTasks {
				return nil
			}
			all = append(all, int(i))
		}
	}
	return all
}

// maxNodes bounds how many names a folded list of nodes may stand for.
const maxNodes = 1 << 20

// expandNodes lists the names of a folded list of nodes, such as
// "login,n[1-3,07],r[0-1]c[00-10]". Leading zeros are kept: see scontrol(1),
// "show hostnames". What is no such list is returned as it is.
func expandNodes(folded string) []string {
	var all []string
	for _, one := range splitNodes(folded) {
		names, ok := expandOne(one, maxNodes-len(all))
		if !ok {
			return []string{folded}
		}
		all = append(all, names...)
	}
	return all
}

// splitNodes splits at the commas that are in no brackets.
func splitNodes(list string) []string {
	var all []string
	depth, start := 0, 0
	for i := 0; i <= len(list); i++ {
		switch {
		case i == len(list) || list[i] == ',' && depth <= 0:
			if part := strings.TrimSpace(list[start:i]); part != "" {
				all = append(all, part)
			}
			start = i + 1
		case list[i] == '[':
			depth++
		case list[i] == ']':
			depth--
		}
	}
	return all
}

// expandOne lists the names of one expression, at most limit.
func expandOne(expr string, limit int) ([]string, bool) {
	open := strings.IndexByte(expr, '[')
	if open < 0 {
		return []string{expr}, limit > 0 && !strings.Contains(expr, "]")
	}
	shut := strings.IndexByte(expr[open:], ']')
	if shut < 0 {
		return nil, false
	}
	rest, ok := []string{""}, true
	if tail := expr[open+shut+1:]; tail != "" {
		if rest, ok = expandOne(tail, limit); !ok {
			return nil, false
		}
	}
	var all []string
	for part := range strings.SplitSeq(expr[open+1:open+shut], ",") {
		numbers, ok := expandRange(part, limit)
		if !ok || len(all)+len(numbers)*len(rest) > limit {
			return nil, false
		}
		for _, n := range numbers {
			for _, r := range rest {
				all = append(all, expr[:open]+n+r)
			}
		}
	}
	return all, true
}

// expandRange lists 3, 03-10 or 1-9 with as many digits as the first has.
func expandRange(part string, limit int) ([]string, bool) {
	low, high, ranged := strings.Cut(strings.TrimSpace(part), "-")
	from, err := strconv.ParseUint(low, 10, 31)
	if err != nil {
		return nil, false
	}
	to := from
	if ranged {
		if to, err = strconv.ParseUint(high, 10, 31); err != nil || to < from {
			return nil, false
		}
	}
	if to-from >= uint64(max(limit, 0)) {
		return nil, false
	}
	all := make([]string, 0, to-from+1)
	for i := from; i <= to; i++ {
		n := strconv.FormatUint(i, 10)
		all = append(all, strings.Repeat("0", max(0, len(low)-len(n)))+n)
	}
	return all, true
}
