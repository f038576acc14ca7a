package slurm

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/seed-a4fd30b5/orchestrator/internal/lab"
)

// prepare makes folders, keys and configuration, and chooses the ports.
func (c *Cluster) prepare(context.Context) error {
	for _, d := range []string{"etc", "log", "spool", "ctl", "munge", "munge-run", "mysql", "mysql-run"} {
		if err := os.MkdirAll(filepath.Join(c.dir, d), 0o755); err != nil {
			return err
		}
	}
	for dir, owner := range map[string]string{"ctl": "slurm", "log": "slurm", "munge": "munge", "munge-run": "munge", "mysql": "mysql", "mysql-run": "mysql"} {
		if owner == "mysql" && c.options.NoAccounting {
			continue
		}
		if err := c.own(dir, owner); err != nil {
			return err
		}
	}
	if err := os.Chmod(filepath.Join(c.dir, "munge"), 0o700); err != nil {
		return err
	}
	if err := c.key("munge/key", "munge", 128); err != nil {
		return err
	}
	if err := c.key("etc/jwt.key", "slurm", 32); err != nil {
		return err
	}
	var err error
	if c.reserved, err = lab.ReservePorts(4 + c.options.Nodes); err != nil {
		return err
	}
	free := c.reserved.Numbers
	c.ports = ports{controller: free[0], accounting: free[1], database: free[2], rest: free[3], nodes: free[4:]}
	return c.configure(0)
}

// configure writes slurm.conf, with the patience of commands with a controller
// that is away; 0 for what is usual. Daemons that run do not read it again.
func (c *Cluster) configure(patience time.Duration) error {
	conf, err := c.config()
	if err != nil {
		return err
	}
	if patience > 0 {
		conf += fmt.Sprintf("MessageTimeout=%d\n", int(patience.Seconds()))
	}
	next := c.Conf + ".next" // commands read it at any moment
	if err := os.WriteFile(next, []byte(conf), 0o644); err != nil {
		return err
	}
	return os.Rename(next, c.Conf)
}

func (c *Cluster) own(path, owner string) error {
	id, err := account(owner)
	if err != nil {
		return err
	}
	return os.Chown(filepath.Join(c.dir, path), int(id.Uid), int(id.Gid))
}

func (c *Cluster) key(path, owner string, size int) error {
	key := make([]byte, size)
	rand.Read(key)
	if err := os.WriteFile(filepath.Join(c.dir, path), key, 0o400); err != nil {
		return err
	}
	return c.own(path, owner)
}

func hostname() (string, error) {
	name, err := os.Hostname()
	short, _, _ := strings.Cut(name, ".")
	return short, err
}

// config is slurm.conf(5).
func (c *Cluster) config() (string, error) {
	host, err := hostname()
	if err != nil {
		return "", err
	}
	path := func(p string) string { return filepath.Join(c.dir, p) }
	lines := []string{
		"ClusterName=lab",
		fmt.Sprintf("SlurmctldHost=%s(127.0.0.1)", host),
		fmt.Sprintf("SlurmctldPort=%d", c.ports.controller),
		"SlurmUser=slurm",
		"AuthType=auth/munge",
		"AuthInfo=socket=" + path("munge-run/sock"),
		"CredType=cred/munge",
		"CommunicationParameters=NoCtldInAddrAny,NoInAddrAny",
		"StateSaveLocation=" + path("ctl"),
		"SlurmdSpoolDir=" + path("spool/%n"),
		"SlurmctldPidFile=" + path("ctl/pid"),
		"SlurmdPidFile=" + path("spool/%n.pid"),
		"SlurmctldLogFile=" + path("log/slurmctld.log"),
		"SlurmdLogFile=" + path("log/slurmd-%n.log"),
		"ProctrackType=proctrack/linuxproc",
		"TaskPlugin=task/none",
		"SwitchType=switch/none",
		"MpiDefault=none",
		"JobAcctGatherType=jobacct_gather/linux",
		"JobAcctGatherFrequency=5",
		"SelectType=select/cons_tres",
		"SelectTypeParameters=CR_Core",
		"SchedulerType=sched/backfill",
		"SchedulerParameters=sched_interval=5,bf_interval=5,batch_sched_delay=0",
		"PreemptType=preempt/partition_prio",
		"PreemptMode=REQUEUE",
		"ReturnToService=2",
		"SlurmdTimeout=15",
		"SlurmctldTimeout=15",
		"InactiveLimit=0",
		"KillWait=2",
		fmt.Sprintf("MinJobAge=%d", c.options.MinJobAge),
		"MaxArraySize=1001",
		"SlurmdParameters=config_overrides",
	}
	if c.options.NoAccounting {
		lines = append(lines, "AccountingStorageType=accounting_storage/none")
	} else {
		lines = append(lines, "AccountingStorageType=accounting_storage/slurmdbd", "AccountingStorageHost=127.0.0.1",
			fmt.Sprintf("AccountingStoragePort=%d", c.ports.accounting), "AccountingStoragePass="+path("munge-run/sock"),
			"AccountingStoreFlags=job_comment,job_script")
	}
	if !c.options.NoREST {
		lines = append(lines, "AuthAltTypes=auth/jwt", "AuthAltParameters=jwt_key="+path("etc/jwt.key"))
	}
	for i, port := range c.ports.nodes {
		lines = append(lines, fmt.Sprintf("NodeName=n%d NodeHostname=%s NodeAddr=127.0.0.1 Port=%d CPUs=%d RealMemory=4000 State=UNKNOWN", i+1, host, port, c.options.CPUs))
	}
	lines = append(lines, "PartitionName=batch Nodes=ALL Default=YES MaxTime=UNLIMITED DefaultTime=10 PriorityTier=10 State=UP",
		"PartitionName=low Nodes=ALL MaxTime=UNLIMITED DefaultTime=10 PriorityTier=1 State=UP")
	return strings.Join(append(lines, c.options.Config...), "\n") + "\n", nil
}

func (c *Cluster) startMunge(ctx context.Context) error {
	path := func(p string) string { return filepath.Join(c.dir, p) }
	err := c.spawn("munged", []string{"munged", "-F", "--key-file=" + path("munge/key"), "--seed-file=" + path("munge/seed"),
		"--pid-file=" + path("munge-run/pid"), "--log-file=" + path("munge/log"), "--socket=" + path("munge-run/sock"), "--num-threads=2"}, "munge")
	if err != nil {
		return err
	}
	return c.await(ctx, "munged", time.Minute, answers("unix", path("munge-run/sock")))
}

// startDatabase starts MariaDB with its own data. Nothing in it needs to last.
func (c *Cluster) startDatabase(ctx context.Context) error {
	socket := filepath.Join(c.dir, "mysql-run", "sock")
	config := filepath.Join(c.dir, "etc", "my.cnf")
	err := os.WriteFile(config, fmt.Appendf(nil, `[mysqld]
user=mysql
datadir=%s
socket=%s
pid-file=%s
bind-address=127.0.0.1
port=%d
skip-name-resolve
skip-log-bin
performance_schema=OFF
innodb_buffer_pool_size=64M
innodb_log_file_size=16M
innodb_flush_log_at_trx_commit=0
innodb_doublewrite=0
innodb_lock_wait_timeout=900
`, filepath.Join(c.dir, "mysql"), socket, filepath.Join(c.dir, "mysql-run", "pid"), c.ports.database), 0o644)
	if err != nil {
		return err
	}
	if out, err := exec.CommandContext(ctx, "mariadb-install-db", "--defaults-file="+config, "--skip-test-db", "--auth-root-authentication-method=socket").CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w: %s", err, out)
	}
	if err := c.spawn("mariadbd", []string{"mariadbd", "--defaults-file=" + config}, ""); err != nil {
		return err
	}
	return c.await(ctx, "mariadbd", 60*time.Second, func() bool {
		return exec.CommandContext(ctx, "mariadb-admin", "--no-defaults", "--socket="+socket, "ping").Run() == nil
	})
}

func (c *Cluster) startAccounting(ctx context.Context) error {
	config := filepath.Join(c.dir, "etc", "slurmdbd.conf") // beside slurm.conf, where slurmdbd looks
	if _, err := os.Stat(config); err != nil {
		if err := c.configureAccounting(ctx, config); err != nil {
			return err
		}
	}
	if err := c.spawn("slurmdbd", []string{"slurmdbd", "-D"}, ""); err != nil {
		return err
	}
	err := c.await(ctx, "slurmdbd", 60*time.Second, func() bool {
		_, err := c.Command(ctx, "sacctmgr", "-n", "list", "cluster")
		return err == nil
	})
	if err != nil {
		return err
	}
	if out, err := c.Command(ctx, "sacctmgr", "-nP", "list", "cluster", "name=lab", "format=cluster"); err != nil || strings.TrimSpace(out) != "" {
		return err
	}
	_, err = c.Command(ctx, "sacctmgr", "-i", "add", "cluster", "lab")
	return err
}

// configureAccounting makes the database's account and writes slurmdbd.conf(5).
func (c *Cluster) configureAccounting(ctx context.Context, config string) error {
	secret := make([]byte, 12)
	rand.Read(secret)
	password := hex.EncodeToString(secret)
	sql := fmt.Sprintf("create database slurm_acct; create user slurm@'127.0.0.1' identified by '%s'; grant all on slurm_acct.* to slurm@'127.0.0.1';", password)
	cmd := exec.CommandContext(ctx, "mariadb", "--no-defaults", "--socket="+filepath.Join(c.dir, "mysql-run", "sock"))
	cmd.Stdin = strings.NewReader(sql)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("prepare the database: %w: %s", err, out)
	}
	host, err := hostname()
	if err != nil {
		return err
	}
	lines := []string{
		"DbdHost=" + host, "DbdAddr=127.0.0.1", fmt.Sprintf("DbdPort=%d", c.ports.accounting), "SlurmUser=slurm",
		"AuthType=auth/munge", "AuthInfo=socket=" + filepath.Join(c.dir, "munge-run", "sock"),
		"StorageType=accounting_storage/mysql", "StorageHost=127.0.0.1", fmt.Sprintf("StoragePort=%d", c.ports.database),
		"StorageUser=slurm", "StoragePass=" + password, "StorageLoc=slurm_acct",
		"LogFile=" + filepath.Join(c.dir, "log", "slurmdbd.log"), "PidFile=" + filepath.Join(c.dir, "ctl", "dbd.pid"), "DebugLevel=info",
	}
	if !c.options.NoREST {
		lines = append(lines, "AuthAltTypes=auth/jwt", "AuthAltParameters=jwt_key="+filepath.Join(c.dir, "etc", "jwt.key"))
	}
	if err := os.WriteFile(config, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		return err
	}
	return c.own("etc/slurmdbd.conf", "slurm")
}

// startREST starts slurmrestd, which refuses to run as root.
func (c *Cluster) startREST(ctx context.Context) error {
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(c.ports.rest))
	if err := c.spawn("slurmrestd", []string{"slurmrestd", "-a", "rest_auth/jwt", address}, "nobody"); err != nil {
		return err
	}
	c.REST = "http://" + address
	return c.await(ctx, "slurmrestd", time.Minute, answers("tcp", address))
}

// answers returns what tells that somebody listens.
func answers(network, address string) func() bool {
	return func() bool {
		conn, err := net.Dial(network, address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
}

// missing returns what the cluster needs and the machine does not have.
func missing() string {
	for _, program := range []string{"slurmctld", "slurmd", "sbatch", "slurmdbd", "slurmrestd", "munged", "mariadbd", "mariadb-install-db"} {
		if find(program) == "" {
			return program
		}
	}
	for _, name := range []string{"slurm", "munge", "mysql", "nobody"} {
		if _, err := user.Lookup(name); err != nil {
			return "the account " + name
		}
	}
	return ""
}
