// Package bolt is a state.Store in one file, for programs that run in one
// process. It needs no server: go.etcd.io/bbolt keeps the file consistent
// whenever the process or the machine stops.
//
// # Durability
//
// A method that writes returns after its transaction is on disk. Writes that
// wait while another is being synced share the next transaction, so the disk
// is synced far less often than there are writes; a lone write does not wait
// for others. If a write returns Unavailable because the disk failed, it may
// have happened or not: read the deployment again.
//
// A commit of one step takes about 0.9 ms of processor time with one writer, and
// 2 syncs; with 8 writers each waits for 0.4 syncs, with 32 for 0.2. On a busy
// machine with a shared disk that was 145 to 467, 412 to 625 and 640 to 8,045
// durable steps in a second: the disk decides. The command:
//
//	go test ./state/bolt -run '^$' -bench 'Store/CommitParallel$/writers'
//
// # One process
//
// The file is locked while a process has it open. A second process that opens
// it for writing gets a Conflict with the name of the first, which is in the
// text file beside it ("state.db.lock"; the lock itself is the operating
// system's, and ends with the process). A second process that opens it for
// reading gets a snapshot: see OpenReadOnly.
//
// A signal can be left for a process that has the file open: see Signal. It is
// a small file in the folder beside the state file ("state.db.signals").
//
// # Damage
//
// A damaged file gives errors with CodeInternal where it is read, never a panic
// or an endless loop: Open walks the tree of pages once, as far as 262,144 of
// them, and finds those that lead in a circle.
//
// # Layout
//
// The file has these buckets:
//
//	meta         "format": the version of this layout; its sequence numbers
//	             incarnations, lease tokens and blobs
//	deployments  a bucket for each deployment, by ID:
//	             "head", and the buckets instances and runs, by ID; journal,
//	             logs and signals, by number (8 bytes, big-endian); and two
//	             indexes of the logs, operations and runlogs, by the
//	             operation's or run's ID, a zero byte and the chunk's number
//	leases       by deployment
//	blobs        by digest: the blob's number and size, and when it was put
//	chunks       by the blob's number and the chunk's (8 and 4 bytes,
//	             big-endian): 1 MiB each but the last
//	uploads      numbers of blobs that are not complete; removed by Open
//	restores     by number, a bucket that holds a deployment's bucket which is
//	             not complete; removed by Open
//
// Records are JSON. This is format 2. Open brings a file of format 1, which has
// no logs and signals, to format 2 in one transaction; OpenReadOnly reads both.
package bolt
