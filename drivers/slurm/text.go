package slurm

import (
	"strconv"
	"strings"
	"time"
)

const (
	// separator stands between fields: ASCII's unit separator, which is in no
	// name that anybody types. A record ends with one and a newline.
	separator = "\x1f"
	// clock is how Slurm prints times (SLURM_TIME_FORMAT=standard); we ask for UTC.
	clock = "2006-01-02T15:04:05"
)

// records splits what squeue or sacct printed into records of n fields. Fields
// may have newlines in them. What a login shell printed before is dropped, and
// so is a record that has another number of fields.
func records(text string, n int) [][]string {
	var all [][]string
	for record := range strings.SplitSeq(text, separator+"\n") {
		fields := strings.Split(record, separator)
		if len(fields) != n {
			continue
		}
		fields[0] = strings.TrimSpace(fields[0][strings.LastIndexByte(fields[0], '\n')+1:])
		all = append(all, fields)
	}
	return all
}

// known returns a field, or nothing for Slurm's words for nothing.
func known(field string) string {
	switch field {
	case "N/A", "n/a", "(null)", "None", "None assigned", "Unknown", "UNKNOWN":
		return ""
	}
	return field
}

// parseTime reads a time in UTC; zero where there is none.
func parseTime(field string) time.Time {
	t, err := time.Parse(clock, field)
	if err != nil {
		return time.Time{}
	}
	return t
}

// parseElapsed reads [days-][[hours:]minutes:]seconds[.fraction]; 0 for what is
// none, such as UNLIMITED.
func parseElapsed(field string) time.Duration {
	days, rest, found := strings.Cut(field, "-")
	if !found {
		days, rest = "0", field
	}
	d, err := strconv.ParseUint(days, 10, 16)
	if err != nil {
		return 0
	}
	parts := strings.Split(rest, ":")
	if len(parts) > 3 || found && len(parts) < 2 {
		return 0
	}
	total := time.Duration(0)
	for i, part := range parts {
		v, err := strconv.ParseFloat(part, 64)
		if err != nil || !(v >= 0 && v < 1e7) || i < len(parts)-1 && strings.ContainsRune(part, '.') {
			return 0
		}
		total = total*60 + time.Duration(v*float64(time.Second))
	}
	return time.Duration(d)*24*time.Hour + total
}

// parseExit reads an exit code and signal: "3:0" and "0:11" in text, 768 and 11,
// the raw status of wait(2), in squeue -O and in JSON. Also "0:15:core".
func parseExit(field string) (code, signal int) {
	first, second, found := strings.Cut(strings.TrimSpace(field), ":")
	n, err := strconv.ParseUint(first, 10, 32)
	if err != nil {
		return 0, 0
	}
	if !found {
		return rawExit(n)
	}
	second, _, _ = strings.Cut(second, ":")
	s, err := strconv.ParseUint(second, 10, 16)
	if err != nil {
		return int(n), 0
	}
	return int(n), int(s)
}

// rawExit takes the status of wait(2) apart.
func rawExit(status uint64) (code, signal int) {
	return int(status >> 8 & 0xff), int(status & 0x7f)
}

// parseBytes reads 4000M, 12.5G or 1024K as bytes; a number alone is in the unit.
func parseBytes(field string, unit float64) int64 {
	field = strings.TrimRight(field, "nc") // per node, per core
	if field == "" {
		return 0
	}
	if i := strings.IndexByte("KMGTP", field[len(field)-1]); i >= 0 {
		unit, field = float64(int64(1)<<(10*(i+1))), field[:len(field)-1]
	}
	v, err := strconv.ParseFloat(field, 64)
	if err != nil || !(v >= 0 && v*unit < 1<<62) {
		return 0
	}
	return int64(v * unit)
}
