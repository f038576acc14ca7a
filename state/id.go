package state

// maxID is the greatest length of an ID. It leaves room for prefixes and
// suffixes within the 255 bytes that file systems allow for a name.
const maxID = 128

// ValidID reports whether id can name a deployment or a run: 1 to 128 ASCII
// letters, digits, '.', '_' and '-', not starting with '.' or '-'. So an ID is
// always safe as a file name, in a URL and as an argument of a command.
func ValidID(id string) bool {
	if id == "" || len(id) > maxID || id[0] == '.' || id[0] == '-' {
		return false
	}
	for _, c := range []byte(id) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '_', c == '-':
		default:
			return false
		}
	}
	return true
}
