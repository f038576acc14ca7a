package slurm

import (
	"context"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/drivers/hpc"
	"github.com/seed-a4fd30b5/orchestrator/internal/errs"
)

// tokenLife is for how long a token is good, and tokenUse for how long it is used.
const tokenLife, tokenUse = time.Hour, 5 * time.Minute

// tokens gets JSON Web Tokens on the login node: the one in SLURM_JWT, which
// Slurm's commands take too, or one that "scontrol token" makes for the user.
type tokens struct {
	commands *Manager

	mu    sync.Mutex
	token string
	until time.Time
}

func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token != "" && time.Now().Before(t.until) {
		return t.token, nil
	}
	r, err := t.commands.shell.Run(ctx, hpc.Command{Args: []string{"printenv", "SLURM_JWT"}, Env: t.commands.options.Env})
	if err != nil {
		return "", err
	}
	if token := strings.TrimSpace(string(r.Stdout)); token != "" {
		return token, nil
	}
	made, err := t.commands.run(ctx, "", "scontrol", "token", "lifespan="+strconv.Itoa(int(tokenLife/time.Second)))
	if err != nil {
		return "", err
	}
	_, token, ok := strings.Cut(strings.TrimSpace(made.out), "SLURM_JWT=")
	if made.code != 0 || !ok {
		return "", &errs.Error{Code: errs.PermissionDenied, Op: "make a token on", Subject: t.commands.shell.Name(),
			Err:  errs.New(errs.PermissionDenied, "", "", "scontrol token ended with exit code %d: %s", made.code, strings.TrimSpace(made.err)),
			Hint: "ask the cluster's administrators for auth/jwt, or give a token as SLURM_JWT in the cluster's environment"}
	}
	t.token, t.until = token, time.Now().Add(tokenUse)
	return token, nil
}
