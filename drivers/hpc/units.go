package hpc

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

var durationUnits = map[string]time.Duration{"d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "min": time.Minute, "s": time.Second}

// quantity is a number with a unit.
var quantity = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)$`)

// ParseWalltime reads how long a job may run: "HH:MM:SS", "DAYS-HH:MM:SS",
// "MM:SS" as Slurm and PBS write it, or a number with a unit d, h, min (m) or s,
// as TOSCA's scalar-unit.time has it.
func ParseWalltime(text string) (time.Duration, error) {
	text = strings.TrimSpace(text)
	bad := fmt.Errorf("%q is no walltime: write it such as 01:30:00, 2-00:00:00 or 90 min", text)
	if m := quantity.FindStringSubmatch(text); m != nil {
		unit, ok := durationUnits[strings.ToLower(m[2])]
		n, err := strconv.ParseFloat(m[1], 64)
		if !ok || err != nil || n <= 0 || n*float64(unit) > float64(100*365*24*time.Hour) {
			return 0, bad
		}
		return time.Duration(n * float64(unit)).Round(time.Second), nil
	}
	days, clock, ok := strings.Cut(text, "-")
	if !ok {
		days, clock = "0", text
	}
	parts := strings.Split(clock, ":")
	if len(parts) < 2 || len(parts) > 3 {
		return 0, bad
	}
	seconds := 0
	for _, p := range append([]string{days}, parts...) {
		if n, err := strconv.Atoi(p); err != nil || n < 0 || n > 99999 || strings.HasPrefix(p, "+") {
			return 0, bad
		}
	}
	for _, p := range parts {
		n, _ := strconv.Atoi(p)
		seconds = seconds*60 + n
	}
	d, _ := strconv.Atoi(days)
	if total := time.Duration(d)*24*time.Hour + time.Duration(seconds)*time.Second; total > 0 {
		return total, nil
	}
	return 0, bad
}

var sizeUnits = map[string]float64{"": 1, "b": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}

// ParseMemory reads an amount of memory and returns bytes. "GB" is 10^9 and
// "GiB" 2^30, as TOSCA's scalar-unit.size has it; "G" is 2^30 as in Slurm.
func ParseMemory(text string) (int64, error) {
	m := quantity.FindStringSubmatch(strings.TrimSpace(text))
	if m == nil {
		return 0, fmt.Errorf("%q is no amount of memory: write it such as 4 GiB or 500M", text)
	}
	unit, ok := sizeUnits[strings.ToLower(m[2])]
	n, err := strconv.ParseFloat(m[1], 64)
	if !ok || err != nil || n <= 0 || n*unit > math.MaxInt64/2 {
		return 0, fmt.Errorf("%q is no amount of memory: write it such as 4 GiB or 500M", text)
	}
	return int64(math.Ceil(n * unit)), nil
}
