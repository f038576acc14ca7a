package csar

// Limits bound what an archive may hold. A zero field means its default.
type Limits struct {
	// TotalSize is the size of all files together in bytes. Default 4 GiB:
	// archives carry application binaries and virtual machine images.
	TotalSize int64
	// FileSize is the size of one file in bytes. Default 1 GiB.
	FileSize int64
	// Entries is the number of files and folders. Default 100,000.
	Entries int
	// Ratio is how many times larger than its compressed form a file (in a
	// tar.gz: everything so far) may be, once it is larger than 1 MiB.
	// Default 1,000: deflate reaches 1,032 for a file of zeros.
	Ratio int64
	// NameLength is the length of a path in bytes, Depth the number of its
	// elements. Defaults 4,096 (what Linux takes) and 100.
	NameLength, Depth int
	// Memory is how much of a tar.gz is kept in memory, in bytes; a larger one
	// goes to a temporary file until Close. Default 64 MiB.
	Memory int64
}

// ratioFree is the size up to which the ratio does not matter, defaultRatio
// what it may be beyond.
const (
	ratioFree    = 1 << 20
	defaultRatio = 1000
)

// The sizes of TOSCA.meta and of the YAML file that is looked into for its name.
const (
	maxMeta     = 1 << 20
	maxTemplate = 64 << 20
)

func (l Limits) withDefaults() Limits {
	return Limits{
		TotalSize:  orDefault(l.TotalSize, 4<<30),
		FileSize:   orDefault(l.FileSize, 1<<30),
		Entries:    orDefault(l.Entries, 100_000),
		Ratio:      orDefault(l.Ratio, defaultRatio),
		NameLength: orDefault(l.NameLength, 4096),
		Depth:      orDefault(l.Depth, 100),
		Memory:     orDefault(l.Memory, 64<<20),
	}
}

func orDefault[T int | int64](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// budget counts what an archive holds against the limits.
type budget struct {
	lim     Limits
	names   nameSet
	entries int
	total   int64
}

func newBudget(lim Limits) *budget {
	return &budget{lim: lim, names: nameSet{lim: lim, folders: map[string]bool{}, folded: map[string]string{}}}
}

// folder counts a folder.
func (b *budget) folder(name string) error {
	if err := b.entry(); err != nil {
		return err
	}
	return b.names.add(name, true)
}

// file counts a file of a size.
func (b *budget) file(name string, size int64) error {
	if err := b.entry(); err != nil {
		return err
	}
	if err := b.names.add(name, false); err != nil {
		return err
	}
	if size < 0 || size > b.lim.FileSize {
		return fault(FileSize, name, "%d bytes are more than the limit of %d", uint64(size), b.lim.FileSize)
	}
	if b.total += size; b.total > b.lim.TotalSize {
		return fault(TotalSize, "", "the files are larger than the limit of %d bytes", b.lim.TotalSize)
	}
	return nil
}

func (b *budget) entry() error {
	if b.entries++; b.entries > b.lim.Entries {
		return fault(TooManyEntries, "", "more than %d entries", b.lim.Entries)
	}
	return nil
}

// bomb tells whether size bytes out of packed ones are too many.
func (l Limits) bomb(size, packed int64) bool {
	return size > ratioFree && size/l.Ratio >= max(packed, 1)
}
