package ledger

import "github.com/seed-a4fd30b5/orchestrator/state"

// Conditions returns what Apply checks: the lease that must be held and the
// revision that the deployment must be at. For a store that leaves the check to
// its server.
func (b *Batch) Conditions() (lease state.Lease, revision uint64) { return b.lease, b.revision }

// Deployment returns what replaces the record; nil if it stays. It must not be
// changed.
func (b *Batch) Deployment() *state.Deployment { return b.deployment }

// Deployment returns the record that is restored. It must not be changed.
func (r *Restore) Deployment() *state.Deployment { return r.d }
