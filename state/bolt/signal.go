package bolt

import (
	"context"
	"iter"

	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
	"github.com/seed-a4fd30b5/orchestrator/state"
	"github.com/seed-a4fd30b5/orchestrator/state/internal/ledger"
)

// Signal implements state.Store.
func (s *Store) Signal(ctx context.Context, id string, signal *state.Signal) error {
	const op = "leave signal for"
	signal, err := ledger.NewSignal(id, signal, ledger.Now(s.now))
	if err != nil {
		return err
	}
	err = s.write(ctx, op, id, func(t *tx) error {
		r, err := t.deployment(op, id)
		if err != nil {
			return err
		}
		run, err := r.run(signal.Run)
		if err != nil {
			return errs.Wrap(err, op, id)
		}
		next, data, err := r.head.AddSignal(signal, run)
		if err != nil {
			return err
		}
		t.wrote = true
		if err := r.append(signalsBucket, next.LastSignal, [][]byte{data}); err != nil {
			return err
		}
		return r.putHead(next)
	})
	if err == nil {
		s.hub.Notify(ledger.SignalTopic(id))
	}
	return err
}

// Signals implements state.Store. While somebody listens, signals that other
// processes left with the function Signal are found, too.
func (s *Store) Signals(ctx context.Context, id string, after uint64) iter.Seq2[*state.Signal, error] {
	signals := ledger.Signals(ctx, id, after, page(s, "read signals of", id, (*record).signals), s.hub)
	if s.readOnly {
		return signals
	}
	return func(yield func(*state.Signal, error) bool) {
		leave := s.listen()
		defer leave()
		signals(yield)
	}
}

func (r *record) signals(after uint64) (ledger.Page[state.Signal], error) {
	p := ledger.Page[state.Signal]{Last: r.head.LastSignal}
	if after >= p.Last {
		return p, nil
	}
	b, err := r.list(signalsBucket)
	if err != nil {
		return p, err
	}
	err = fillPage(&p, b, after, func(seq uint64, data []byte) (*state.Signal, error) {
		s, err := ledger.Decode[state.Signal](data)
		if err == nil {
			s.Seq = seq
		}
		return s, err
	})
	return p, err
}

// forgetSignals removes the signals of a run.
func (r *record) forgetSignals(run string) error {
	b, err := r.list(signalsBucket)
	if err != nil {
		return err
	}
	var gone [][]byte
	err = b.ForEach(func(key, data []byte) error {
		s, err := ledger.Decode[state.Signal](data)
		if err == nil && s.Run == run {
			gone = append(gone, key)
		}
		return err
	})
	for _, key := range gone {
		if err == nil {
			err = b.Delete(key)
		}
	}
	return err
}
