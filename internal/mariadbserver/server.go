package mariadbserver

import (
	"bytes"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-cdc/tandem/internal/childserver"
	"github.com/tandem-cdc/tandem/internal/dialect"
)

// User is the superuser of every private server.
const User = "root"

const (
	startTimeout = 60 * time.Second
	stopTimeout  = 20 * time.Second
	startTries   = 5 // a port may be taken between the look and the bind
)

// Install is the command that brings the programs, for Debian.
const Install = "apt-get install --no-install-recommends mariadb-server"

// Options say what server is wanted; the zero value is a good one for tests.
type Options struct {
	// Settings are further server settings, by name.
	Settings map[string]string
}

// Server is a private MariaDB server. Its methods must not be called at the same time.
type Server struct {
	opts     Options
	server   string // mariadbd
	dir      string // holds server.log, init.sql and data
	identity childserver.Identity
	port     int
	password string
	proc     *childserver.Process // nil when not running
}

// find looks for a program: on the PATH, then where systems keep it.
func find(names ...string) (string, error) {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
		for _, dir := range []string{"/usr/sbin", "/usr/libexec", "/usr/local/sbin", "/usr/local/bin", "/opt/homebrew/bin", "/usr/local/mysql/bin"} {
			if path := filepath.Join(dir, name); isProgram(path) {
				return path, nil
			}
		}
	}
	return "", fmt.Errorf("MariaDB's program %s is not on this machine; install it with %q", names[0], Install)
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}

// Start makes a data folder and starts a server. It returns when the server answers.
func Start(ctx context.Context, opts Options) (*Server, error) {
	server, err := find("mariadbd", "mysqld")
	if err != nil {
		return nil, err
	}
	install, err := find("mariadb-install-db", "mysql_install_db")
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, server: server, password: strings.ToLower(rand.Text())}
	if s.identity, err = childserver.Unprivileged("MariaDB", "mysql", "nobody", "daemon"); err != nil {
		return nil, err
	}
	if s.dir, err = os.MkdirTemp(s.identity.TempBase(), "tandem-mariadb-"); err != nil {
		return nil, fmt.Errorf("make folder for private MariaDB: %w", err)
	}
	if err := s.initialise(ctx, install); err != nil {
		return nil, errors.Join(err, os.RemoveAll(s.dir))
	}
	for range startTries {
		s.port = childserver.FreePort()
		if err = s.launch(ctx); err == nil {
			return s, nil
		}
		if childserver.PortFree(s.port) { // it was not the port
			break
		}
	}
	return nil, errors.Join(err, os.RemoveAll(s.dir))
}

// initialise makes the system tables, and the file that sets the password at each start.
func (s *Server) initialise(ctx context.Context, install string) error {
	if err := s.identity.Own(s.dir); err != nil {
		return err
	}
	var sql strings.Builder
	for _, host := range []string{"localhost", "127.0.0.1"} {
		fmt.Fprintf(&sql, "CREATE USER IF NOT EXISTS '%s'@'%s';\nSET PASSWORD FOR '%[1]s'@'%[2]s' = PASSWORD('%[3]s');\nGRANT ALL ON *.* TO '%[1]s'@'%[2]s' WITH GRANT OPTION;\n", User, host, s.password)
	}
	file := filepath.Join(s.dir, "init.sql")
	if err := os.WriteFile(file, []byte(sql.String()), 0o600); err != nil {
		return fmt.Errorf("write the password of private MariaDB: %w", err)
	}
	if err := s.identity.Own(file); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, install, "--no-defaults", "--datadir="+s.dataDir(), "--skip-test-db", "--auth-root-authentication-method=normal", "--cross-bootstrap",
		"--innodb-log-file-size=64M", "--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0")
	cmd.Dir = s.dir
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	s.identity.Apply(cmd)
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %s: %w\n%s", install, err, strings.TrimSpace(said.String()))
	}
	return nil
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }

// LogFile is where the server writes its messages.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "server.log") }

// launch starts the server and waits until it answers.
func (s *Server) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open log of private MariaDB: %w", err)
	}
	defer log.Close() // the server has its own
	cmd := exec.Command(s.server, s.arguments()...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = log, log
	s.identity.Apply(cmd)
	p, err := childserver.Spawn(cmd, childserver.Watch{Name: "MariaDB", With: childserver.Kill, Remove: s.dir})
	if err != nil {
		return err
	}
	for {
		err := s.Exec(ctx, "mysql", "SELECT 1")
		if err == nil {
			s.proc = p
			return nil
		}
		if p.Gone(20*time.Millisecond) || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("private MariaDB on %s does not answer: %w\n%s", s.Addr(), err, childserver.LastLines(s.LogFile(), 30)), p.End(stopTimeout, childserver.Kill))
		}
	}
}

// arguments are settings for tests: commits reach the kernel, so that they survive the server's crash, but not the disk.
func (s *Server) arguments() []string {
	settings := map[string]string{
		"datadir": s.dataDir(), "init-file": filepath.Join(s.dir, "init.sql"), "port": strconv.Itoa(s.port), "bind-address": "127.0.0.1", "skip-name-resolve": "1",
		"socket": filepath.Join(s.dir, "s"), "pid-file": filepath.Join(s.dir, "pid"), "skip-log-bin": "", "innodb-flush-log-at-trx-commit": "2", "innodb-doublewrite": "0",
		"innodb-buffer-pool-size": "128M", "innodb-log-file-size": "64M", "performance-schema": "0", "max-connections": "100", "default-time-zone": "+00:00",
		"innodb-fast-shutdown": "2", "loose-innodb-buffer-pool-dump-at-shutdown": "0",
	}
	for name, value := range s.opts.Settings {
		settings[name] = value
	}
	args := []string{"--no-defaults"}
	for name, value := range settings {
		if value == "" {
			args = append(args, "--"+name)
		} else {
			args = append(args, "--"+name+"="+value)
		}
	}
	slices.Sort(args[1:])
	return args
}

// Addr is host:port of the server; it stays the same over Restart.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Password is the password of the superuser, made at random.
func (s *Server) Password() string { return s.password }

// URL is the JDBC URL of a database of the server, for the superuser.
func (s *Server) URL(database string) string {
	return "jdbc:mariadb://" + s.Addr() + "/" + database + "?" + url.Values{"user": {User}, "password": {s.password}}.Encode()
}

// Open gives a pool for a database of the server.
func (s *Server) Open(database string) (*sql.DB, error) {
	u, err := dialect.ParseJDBC(s.URL(database))
	if err != nil {
		return nil, err
	}
	c, err := dialect.Connect(u, "", "")
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(c.Connector), nil
}

// Exec runs statements in a database of the server.
func (s *Server) Exec(ctx context.Context, database string, statements ...string) error {
	db, err := s.Open(database)
	if err != nil {
		return err
	}
	for _, one := range statements {
		if _, failed := db.ExecContext(ctx, one); failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", one, failed))
		}
	}
	return errors.Join(err, db.Close())
}

// Stop shuts the server down and removes its folder.
func (s *Server) Stop() error { return errors.Join(s.halt(childserver.Terminate), os.RemoveAll(s.dir)) }

// Kill ends the server as a crash does. The data stays, for Restart.
func (s *Server) Kill() error { return s.halt(childserver.Kill) }

// Restart starts the server again on the same port and data; one that is running is shut down first.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.halt(childserver.Terminate); err != nil {
		return err
	}
	return s.launch(ctx)
}

func (s *Server) halt(how childserver.Signal) error {
	if s.proc == nil {
		return nil
	}
	p := s.proc
	s.proc = nil
	return p.End(stopTimeout, how)
}
