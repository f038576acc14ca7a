// Package transport keeps SSH connections for the drivers that reach hosts and
// clusters by SSH: pooled, with verified host keys, through jump hosts, and with
// commands and SFTP that end with their context.
//
//	pool := transport.NewPool(transport.Config{})
//	defer pool.Close()
//	client, err := pool.Get(ctx, transport.Host{Address: "login.example.org", User: "ada"})
//	...
//	defer client.Release()
//	exit, err := client.Exec(ctx, transport.Command{Line: "squeue " + transport.Quote("--name", name), Stdout: &out})
package transport
