package tosca

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Version is a version of TOSCA's type "version":
// major.minor[.fix[.qualifier[-build]]].
//
// Source: TOSCA 1.3 section 3.3.2.
type Version struct {
	Major, Minor, Fix int
	Qualifier         string
	Build             int
}

// ParseVersion reads a version such as "2.0" or "1.0.2.beta-3".
//
// Source: TOSCA 1.3 section 3.3.2, TOSCA 2.0 section 9.1.2.3.
func ParseVersion(s string) (Version, error) {
	var v Version
	fail := func() (Version, error) {
		return Version{}, fmt.Errorf("%s is no version, such as \"1.0\" or \"1.0.2.beta-3\"", show(s))
	}
	parts := strings.SplitN(s, ".", 4)
	if len(parts) < 2 {
		return fail()
	}
	for i, to := range []*int{&v.Major, &v.Minor, &v.Fix} {
		if i == len(parts) {
			break
		}
		n, ok := parseCount(parts[i])
		if !ok {
			return fail()
		}
		*to = n
	}
	if len(parts) < 4 {
		return v, nil
	}
	qualifier, build, hasBuild := strings.Cut(parts[3], "-")
	if qualifier == "" || strings.Trim(strings.ToLower(qualifier), "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
		return fail()
	}
	v.Qualifier = qualifier
	if hasBuild {
		n, ok := parseCount(build)
		if !ok {
			return fail()
		}
		v.Build = n
	}
	return v, nil
}

func parseCount(s string) (int, bool) {
	if s == "" || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// Compare returns -1, 0 or 1 where v is older than, equal to or newer than
// other. A version with a qualifier is older than the one without. The
// specification leaves open how qualifiers compare; they compare as text here.
func (v Version) Compare(other Version) int {
	if c := cmp.Or(cmp.Compare(v.Major, other.Major), cmp.Compare(v.Minor, other.Minor), cmp.Compare(v.Fix, other.Fix)); c != 0 {
		return c
	}
	switch {
	case v.Qualifier == other.Qualifier:
		return cmp.Compare(v.Build, other.Build)
	case v.Qualifier == "":
		return 1
	case other.Qualifier == "":
		return -1
	}
	return cmp.Compare(v.Qualifier, other.Qualifier)
}

// timestampForm is what YAML's timestamp type allows: more than RFC 3339 does.
var timestampForm = regexp.MustCompile(`^(\d{4})-(\d\d?)-(\d\d?)(?:(?:[Tt]|[ \t]+)(\d\d?):(\d\d):(\d\d)(\.\d*)?[ \t]*(Z|[-+]\d\d?(?::?\d\d)?)?)?$`)

// parseTimestamp reads a timestamp as YAML's timestamp type and RFC 3339 write
// them: a date, or a date and a time with or without a zone (then UTC).
//
// Source: TOSCA 1.3 section 3.3.1, https://yaml.org/type/timestamp.html.
func parseTimestamp(s string) (time.Time, error) {
	m := timestampForm.FindStringSubmatch(s)
	if m == nil {
		return time.Time{}, fmt.Errorf("%s is no timestamp, such as \"2026-01-31T12:00:00Z\"", show(s))
	}
	if m[4] == "" {
		m[4], m[5], m[6] = "0", "00", "00"
	}
	day := m[1] + "-" + twoDigits(m[2]) + "-" + twoDigits(m[3])
	canonical := day + "T" + twoDigits(m[4]) + ":" + m[5] + ":" + m[6] + fraction(m[7]) + zone(m[8])
	leap := m[6] == "60"
	if leap {
		canonical = day + "T" + twoDigits(m[4]) + ":" + m[5] + ":59" + zone(m[8])
	}
	t, err := time.Parse(time.RFC3339Nano, canonical)
	if leap && err == nil {
		// The second after 23:59:59 UTC on the last day of a month, by RFC 3339
		// section 5.7. It compares as the one that follows.
		t = t.Add(time.Second)
		if utc := t.UTC(); utc.Day() != 1 || utc.Hour() != 0 || utc.Minute() != 0 || utc.Second() != 0 {
			err = errors.New("no leap second")
		}
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("%s is no timestamp: there is no such day or time", show(s))
	}
	return t, nil
}

// fraction cuts what is finer than a nanosecond, and a lone point.
func fraction(s string) string {
	const nanoseconds = len(".123456789")
	if len(s) > nanoseconds {
		s = s[:nanoseconds]
	}
	return strings.TrimSuffix(s, ".")
}

// zone writes a zone such as "-5" or "+0530" as RFC 3339 does.
func zone(s string) string {
	if s == "" || s == "Z" {
		return "Z"
	}
	hours, minutes, ok := strings.Cut(s[1:], ":")
	if !ok && len(hours) > 2 {
		hours, minutes = hours[:len(hours)-2], hours[len(hours)-2:]
	}
	return s[:1] + twoDigits(hours) + ":" + twoDigits(minutes)
}

// twoDigits fills up what has fewer digits.
func twoDigits(s string) string { return strings.Repeat("0", max(0, 2-len(s))) + s }
