package ledger

import "github.com/seed-a4fd30b5/orchestrator/state"

// Trim returns the head after the entries with Seq <= before are gone; h
// itself if there are none.
func (h *Head) Trim(before uint64) *Head {
	before = min(before, h.Deployment.LastSeq)
	if before < h.Deployment.FirstSeq {
		return h
	}
	d := *h.Deployment
	d.FirstSeq = before + 1
	next := *h
	next.Deployment = &d
	return &next
}

// Trimmed reports whether a run goes with the trimmed journal, its log chunks
// with it: it has ended, has no entry left, and is not the deployment's last.
func (h *Head) Trimmed(r *state.Run) bool {
	return !r.Ended.IsZero() && r.LastSeq < h.Deployment.FirstSeq && r.ID != h.Deployment.Run
}
