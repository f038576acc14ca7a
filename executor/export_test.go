package executor

import "time"

// SetMaxBatch makes commits small, so that few nodes need several.
func (e *Engine) SetMaxBatch(n int) { e.maxBatch = n }

// SetFunctionTime limits the artifacts of custom functions.
func (e *Engine) SetFunctionTime(d time.Duration) { e.functionTime = d }
