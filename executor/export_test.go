package executor

// SetMaxBatch makes commits small, so that few nodes need several.
func (e *Engine) SetMaxBatch(n int) { e.maxBatch = n }
