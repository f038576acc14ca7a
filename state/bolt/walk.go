package bolt

import (
	"encoding/binary"
	"io"
)

// bbolt trusts the pages of a file: one that leads back to itself, or to one
// above it, would have it descend until the program dies, which nothing can
// stop. So the tree of pages is walked once before it is used. That reads each
// page in use once, but not what overflows it (nearly all of a blob).

// maxWalk is how many pages are looked at, so that a very large file can still
// be opened at once; what comes behind them is trusted.
const maxWalk = 1 << 18

const (
	pageHeader  = 16 // id 8, flags 2, count 2, overflow 4
	elementSize = 16 // of a branch: position 4, key size 4, page 8
	branchPage  = 1
	leafPage    = 2
	bucketFlag  = 1 // of a leaf's element: flags 4, position 4, key size 4, value size 4
)

// walkPages looks at all pages that the newest commit leads to; an error for
// one that is none, or that is come to twice.
func walkPages(f io.ReaderAt) error {
	m, err := newestMeta(f)
	if err != nil {
		return err
	}
	seen := map[uint64]bool{}
	todo := []uint64{m.root}
	buffer := make([]byte, m.pageSize)
	for len(todo) > 0 && len(seen) < maxWalk {
		id := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if id < 2 || id >= m.pages {
			return damaged("page %d is none of its %d pages", id, m.pages)
		}
		if seen[id] {
			return damaged("two places lead to page %d", id)
		}
		seen[id] = true
		page, err := readPage(f, m, id, &buffer)
		if err != nil {
			return err
		}
		if todo, err = pagesBelow(todo, id, page); err != nil {
			return err
		}
	}
	return nil
}

// readPage returns a page, with what overflows it only where its elements do.
func readPage(f io.ReaderAt, m meta, id uint64, buffer *[]byte) ([]byte, error) {
	at, order := int64(id*m.pageSize), binary.NativeEndian
	page := (*buffer)[:m.pageSize]
	if _, err := f.ReadAt(page, at); err != nil {
		return nil, damaged("page %d cannot be read: %w", id, err)
	}
	flags, count := order.Uint16(page[8:]), uint64(order.Uint16(page[10:]))
	if order.Uint64(page) != id || flags != branchPage && flags != leafPage {
		return nil, damaged("page %d is none", id)
	}
	size := m.pageSize * (1 + uint64(order.Uint32(page[12:])))
	if uint64(at)+size > uint64(m.size()) || pageHeader+count*elementSize > size {
		return nil, damaged("page %d goes beyond its end", id)
	}
	// All of a page whose elements do not end in its first part, or of which a
	// bucket's record may be behind that.
	if need := lastBucket(page, flags, count, size); need > m.pageSize {
		if uint64(cap(*buffer)) < need {
			*buffer = make([]byte, need)
		}
		page = (*buffer)[:need]
		if _, err := f.ReadAt(page, at); err != nil {
			return nil, damaged("page %d cannot be read: %w", id, err)
		}
	}
	return page, nil
}

// lastBucket returns how much of a page must be read for its elements and the
// records of buckets in it.
func lastBucket(page []byte, flags uint16, count, size uint64) uint64 {
	need := pageHeader + count*elementSize
	if need > uint64(len(page)) {
		return size // rare: elements without end
	}
	if flags == branchPage {
		return need
	}
	for i := range count {
		if root, ok := bucketAt(page, i); ok {
			need = max(need, min(root+8, size))
		}
	}
	return need
}

// bucketAt returns where in the page of a leaf the record of a bucket is, if
// its element i is one. It begins with the bucket's root page.
func bucketAt(page []byte, i uint64) (at uint64, ok bool) {
	order := binary.NativeEndian
	at = pageHeader + i*elementSize
	e := page[at : at+elementSize]
	if order.Uint32(e)&bucketFlag == 0 {
		return 0, false
	}
	return at + uint64(order.Uint32(e[4:])) + uint64(order.Uint32(e[8:])), true
}

// pagesBelow adds the pages that a page leads to.
func pagesBelow(todo []uint64, id uint64, page []byte) ([]uint64, error) {
	order := binary.NativeEndian
	flags, count := order.Uint16(page[8:]), uint64(order.Uint16(page[10:]))
	for i := range count {
		if flags == branchPage {
			todo = append(todo, order.Uint64(page[pageHeader+i*elementSize+8:]))
			continue
		}
		at, ok := bucketAt(page, i)
		if !ok {
			continue
		}
		if at+8 > uint64(len(page)) {
			return nil, damaged("page %d goes beyond its end", id)
		}
		if root := order.Uint64(page[at:]); root != 0 { // 0 is a bucket within the page
			todo = append(todo, root)
		}
	}
	return todo, nil
}
