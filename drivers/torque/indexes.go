package torque

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxTasks bounds the tasks of an array: the largest that PBS can be configured
// for is 10,000,000, its default 10,000.
const maxTasks = 1_000_000

// parseIndexes reads "0-9", "1,3,5" or "0-100:10", also joined by commas, with
// or without a limit behind a '%', and returns the indexes in order.
func parseIndexes(text string) ([]int, error) {
	text, _, _ = strings.Cut(text, "%")
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		bounds, stepText, stepped := strings.Cut(strings.TrimSpace(part), ":")
		from, to, ranged := strings.Cut(bounds, "-")
		if !ranged {
			to = from
		}
		first, err1 := strconv.ParseUint(from, 10, 31)
		last, err2 := strconv.ParseUint(to, 10, 31)
		step := uint64(1)
		var err3 error
		if stepped {
			step, err3 = strconv.ParseUint(stepText, 10, 31)
		}
		if err1 != nil || err2 != nil || err3 != nil || step == 0 || last < first {
			return nil, fmt.Errorf("%q is not a range such as 0-9 or 0-100:10", part)
		}
		if (last-first)/step+1+uint64(len(all)) > maxTasks {
			return nil, fmt.Errorf("more than %d tasks", maxTasks)
		}
		for i := first; i <= last; i += step {
			all = append(all, int(i))
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// torqueIndexes writes indexes for qsub -t of Torque, which knows ranges and
// lists but no steps.
func torqueIndexes(indexes []int) string {
	var parts []string
	for i := 0; i < len(indexes); {
		j := i
		for j+1 < len(indexes) && indexes[j+1] == indexes[j]+1 {
			j++
		}
		if i == j {
			parts = append(parts, strconv.Itoa(indexes[i]))
		} else {
			parts = append(parts, fmt.Sprintf("%d-%d", indexes[i], indexes[j]))
		}
		i = j + 1
	}
	return strings.Join(parts, ",")
}

// pbsIndexes writes indexes for qsub -J of PBS, which knows one range with a
// step, and wants its end behind its beginning.
func pbsIndexes(indexes []int) (string, error) {
	if len(indexes) == 1 {
		return fmt.Sprintf("%d-%d:2", indexes[0], indexes[0]+1), nil
	}
	step := indexes[1] - indexes[0]
	for i := 1; i < len(indexes); i++ {
		if indexes[i]-indexes[i-1] != step {
			return "", fmt.Errorf("PBS has no arrays with gaps of several sizes")
		}
	}
	text := fmt.Sprintf("%d-%d", indexes[0], indexes[len(indexes)-1])
	if step > 1 {
		text += fmt.Sprintf(":%d", step)
	}
	return text, nil
}
