package sandbox

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"slices"
	"strings"

	"relink/internal/hint"
	"relink/internal/proc"
)

// PoolInfo is where a pool answers.
type PoolInfo struct {
	Name       string
	Address    string // "unix:/path" or "tcp:127.0.0.1:port"
	StatusPath string // "" with Pool.NoStatusPage
	Master     string // name of its master
	MasterPID  int
	Workers    int // as configured
}

// master is one FPM master: its configuration on disk and its process.
type master struct {
	Master
	server  *Server
	listen  map[string]string // by pool: the socket's path, or host:port
	process *process
}

// sunPathMax is the longest path of a unix socket on Linux, without the final NUL.
const sunPathMax = 107

func (s *Server) newMaster(ctx context.Context, o Master) (*master, error) {
	m := &master{Master: o, server: s, listen: map[string]string{}}
	for _, pool := range m.Pools {
		if pool.TCP {
			continue
		}
		path := s.layout.run(pool.Name + ".sock")
		if len(path) > sunPathMax {
			return nil, hint.With(fmt.Errorf("%s: %d bytes are too long for a unix socket", path, len(path)), "choose a shorter Root")
		}
		m.listen[pool.Name] = path
	}
	return m, m.writeINI(ctx)
}

func (m *master) String() string { return "FPM master " + m.Name }

func (m *master) logs() (read, printed string) {
	return m.server.FPMLog(), m.server.layout.log("fpm.out")
}

func (m *master) launch() (*process, error) {
	if err := m.choosePorts(); err != nil {
		return nil, err
	}
	conf := m.server.layout.conf(m.Name + ".conf")
	if err := writeConf(conf, "fpm.conf", m.fpmConf()); err != nil {
		return nil, err
	}
	cmd := m.server.fpmCommand(context.Background(), m, "--nodaemonize", "--fpm-config", conf)
	connect, err := func(int) error { return nil }, error(nil)
	if m.Place != nil {
		if connect, err = m.Place.Enter(cmd, m.server.Root()); err != nil {
			return nil, err
		}
	}
	_, printed := m.logs()
	m.process, err = launch(m.String(), cmd, printed, m.server.options.Detach)
	return m.process, errors.Join(err, connect(m.pid()))
}

// pid is 0 before the first start.
func (m *master) pid() int {
	if m.process == nil {
		return 0
	}
	return m.process.pid
}

// stop ends the master; nothing is left in its place.
func (m *master) stop() error {
	err := m.process.stop()
	if m.Place != nil {
		err = errors.Join(err, m.Place.Leave())
	}
	return err
}

// placePort is where the first pool listens in a Place, which has all ports to itself.
const placePort = 9000

func (m *master) choosePorts() (err error) {
	host := "127.0.0.1"
	if m.Place != nil {
		if host, err = m.Place.Choose(); err != nil {
			return err
		}
	}
	for i, pool := range m.Pools {
		if !pool.TCP {
			continue
		}
		port := placePort + i
		if m.Place == nil {
			if port, err = freePort(); err != nil {
				return err
			}
		}
		m.listen[pool.Name] = fmt.Sprintf("%s:%d", host, port)
	}
	return nil
}

// fpmCommand runs the FPM binary on m's INI files.
func (s *Server) fpmCommand(ctx context.Context, m *master, args ...string) *exec.Cmd {
	line := slices.Concat(s.options.FPMCommand, []string{s.options.FPMBinary, "-c", s.layout.conf("php.ini")}, args)
	cmd := exec.CommandContext(ctx, line[0], line[1:]...)
	cmd.Env = s.environment(m.Name)
	return cmd
}

// ready: every pool listens and has its static workers.
func (m *master) ready(context.Context) (bool, error) {
	for _, pool := range m.Pools {
		conn, err := net.Dial(m.network(pool), m.listen[pool.Name])
		if err != nil {
			return false, nil
		}
		conn.Close()
		if _, other := pool.Settings["pm"]; other {
			continue
		}
		pids, err := m.workers(pool.Name)
		if err != nil || len(pids) < pool.Workers {
			return false, err
		}
	}
	return true, nil
}

// workers are the children whose title names the pool: "php-fpm: pool www"
// (fpm_env.c). A child that has just been forked still has its master's title.
func (m *master) workers(pool string) ([]int, error) {
	pids, err := children(m.process.pid)
	return slices.DeleteFunc(pids, func(pid int) bool { return !strings.HasSuffix(proc.Title(proc.Of(pid)), ": pool "+pool) }), err
}

func (m *master) network(p Pool) string {
	if p.TCP {
		return "tcp"
	}
	return "unix"
}

func (m *master) info(p Pool) PoolInfo {
	info := PoolInfo{Name: p.Name, Address: m.network(p) + ":" + m.listen[p.Name], Master: m.Name, MasterPID: m.pid(), Workers: p.Workers}
	if !p.NoStatusPage {
		info.StatusPath = StatusPath
	}
	return info
}

// Pools lists the pools of all masters in the order of the options.
func (s *Server) Pools() []PoolInfo {
	var all []PoolInfo
	for _, m := range s.masters {
		for _, p := range m.Pools {
			all = append(all, m.info(p))
		}
	}
	return all
}

// Pool is the pool of that name; "" is the default pool. The zero PoolInfo says
// that there is none.
func (s *Server) Pool(name string) PoolInfo {
	for _, info := range s.Pools() {
		if name == "" || info.Name == name {
			return info
		}
	}
	return PoolInfo{}
}

// WorkerPIDs are the pool's workers that run now; "" is the default pool.
func (s *Server) WorkerPIDs(pool string) ([]int, error) {
	info := s.Pool(pool)
	m, err := s.master(info.Master)
	if err != nil {
		return nil, fmt.Errorf("pool %q: %w", pool, err)
	}
	return m.workers(info.Name)
}

// StopMaster ends a master and its workers; its pools refuse connections then.
func (s *Server) StopMaster(name string) error {
	m, err := s.master(name)
	if err != nil {
		return err
	}
	return m.stop()
}

// StartMaster starts a master that StopMaster ended, on the same unix sockets.
func (s *Server) StartMaster(ctx context.Context, name string) error {
	m, err := s.master(name)
	if err != nil {
		return err
	}
	if m.process.running() {
		return fmt.Errorf("FPM master %s is running (pid %d)", name, m.process.pid)
	}
	if err := startDaemon(ctx, m); err != nil {
		return err
	}
	return s.recordPIDs()
}

func (s *Server) master(name string) (*master, error) {
	for _, m := range s.masters {
		if m.Name == name {
			return m, nil
		}
	}
	return nil, fmt.Errorf("the sandbox has no FPM master %q", name)
}
