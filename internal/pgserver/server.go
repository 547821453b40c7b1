package pgserver

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/childserver"
	"github.com/tandem-cdc/tandem/internal/pause"
)

// User is the superuser of every private server.
const User = "postgres"

const (
	startTimeout = 60 * time.Second // crash recovery of a large data folder included
	stopTimeout  = 20 * time.Second // of a fast or immediate shutdown: in the latter the postmaster kills stuck backends after 5 s
	startTries   = 6                // a port may be taken between the look and the bind, a dying server may still hold the folder
)

// shutdown is how the server is ended in order: what the postmaster makes of the signals is in the PostgreSQL manual, "Shutting Down the Server". Interrupt
// is the fast one, which a client that does not read can hold up through its walsender; Quit the immediate one, behind which the next start recovers.
var shutdown = []childserver.Signal{childserver.Interrupt, childserver.Quit}

// Options say what server is wanted; the zero value is a good one for tests.
type Options struct {
	// Dir is the folder of the server, made when missing and used again when it holds one already. Empty: a temporary folder, removed by
	// Stop.
	Dir string
	// Version is the major version wanted; 0 takes the newest found on the machine, and fetches one if there is none.
	Version int
	// BinDir is where initdb and postgres are; empty: look for them.
	BinDir string
	// Port on 127.0.0.1; 0 takes a free one.
	Port int
	// Durable makes commits survive a crash of the machine. Without it only one of the server.
	Durable bool
	// Settings are further server settings, by name. $DIR in one is the folder of the server.
	Settings map[string]string
	// Files are put into the folder of the server, for it alone to read: certificates, keys, pg_hba.conf.
	Files map[string]string
	// Progress is told of steps that take long; it may be nil.
	Progress func(step string)
}

// Server is a private PostgreSQL server. Its methods must not be called at the same time.
type Server struct {
	opts      Options
	bin       binaries
	dir       string // holds password, server.log and data
	temporary bool
	identity  childserver.Identity
	port      int
	password  string
	answered  bool                 // once: somebody may know the port, it must not change
	proc      *childserver.Process // nil when not running
}

// Start finds or fetches the programs, makes the data folder when there is none, and starts a server. It returns when the server answers.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if opts.Progress == nil {
		opts.Progress = func(string) {}
	}
	who, err := unprivileged()
	if err != nil {
		return nil, err
	}
	bin, err := locate(ctx, opts)
	if err != nil {
		return nil, err
	}
	s := &Server{opts: opts, bin: bin, identity: who, port: opts.Port}
	if err := s.makeDir(); err != nil {
		return nil, err
	}
	if err := s.writeFiles(); err != nil {
		return nil, errors.Join(err, s.removeTemporary())
	}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.removeTemporary())
	}
	return s, nil
}

// start initialises the data folder if it is new and starts the server.
func (s *Server) start(ctx context.Context) error {
	if err := s.initialise(ctx); err != nil {
		return err
	}
	return s.launch(ctx)
}

// URL is the connection URL of a database of the server, for the superuser.
func (s *Server) URL(database string) string {
	u := url.URL{
		Scheme:   "postgres",
		User:     url.UserPassword(User, s.password),
		Host:     s.Addr(),
		Path:     "/" + database,
		RawQuery: "sslmode=disable",
	}
	return u.String()
}

// Addr is host:port of the server.
func (s *Server) Addr() string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// Port is the port of the server; it stays the same over Restart.
func (s *Server) Port() int { return s.port }

// Password is the password of the superuser, made at random when the data folder was.
func (s *Server) Password() string { return s.password }

// Version is the major version of the server.
func (s *Server) Version() int { return s.bin.version }

// BinDir is the folder of its programs, in which those of clients need not be.
func (s *Server) BinDir() string { return s.bin.dir }

// LogFile is where the server writes its messages.
func (s *Server) LogFile() string { return filepath.Join(s.dir, "server.log") }

// CreateDatabase makes an empty database.
func (s *Server) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err != nil {
		return fmt.Errorf("create database %q: %w", name, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()); err != nil {
		return fmt.Errorf("create database %q: %w", name, err)
	}
	return nil
}

// Stop shuts the server down as "fast" does: transactions are rolled back, connections closed. A temporary folder is removed.
func (s *Server) Stop() error {
	return errors.Join(s.halt(shutdown...), s.removeTemporary())
}

// Kill ends the server as a crash does. The data stays, for Restart.
func (s *Server) Kill() error {
	return s.halt(childserver.Kill)
}

// Restart starts the server again on the same port and data; one that is running is shut down first.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.halt(shutdown...); err != nil {
		return err
	}
	return s.launch(ctx)
}

// halt ends the running server with the first of the signals, or with the next one when that takes long.
func (s *Server) halt(signals ...childserver.Signal) error {
	if s.proc == nil {
		return nil
	}
	p := s.proc
	s.proc = nil
	return p.End(stopTimeout, signals...)
}

func (s *Server) removeTemporary() error {
	if !s.temporary {
		return nil
	}
	if err := os.RemoveAll(s.dir); err != nil {
		return fmt.Errorf("remove data of private PostgreSQL: %w", err)
	}
	return nil
}

// makeDir makes the folder of the server, owned by the user it will run as.
func (s *Server) makeDir() error {
	if s.opts.Dir == "" {
		dir, err := os.MkdirTemp(s.identity.TempBase(), "tandem-postgres-")
		if err != nil {
			return fmt.Errorf("make folder for private PostgreSQL: %w", err)
		}
		s.dir, s.temporary = dir, true
		return s.identity.Own(dir)
	}
	dir, err := filepath.Abs(s.opts.Dir)
	if err != nil {
		return fmt.Errorf("make folder for private PostgreSQL: %w", err)
	}
	s.dir = dir
	if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(dir, "data")); err != nil {
			return fmt.Errorf("folder %s is neither empty nor one of a private PostgreSQL; choose another", dir)
		}
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("make folder for private PostgreSQL: %w", err)
	}
	if err := s.identity.Reaches(dir); err != nil {
		return err
	}
	return s.identity.Own(dir)
}

// writeFiles writes the files that were asked for.
func (s *Server) writeFiles() error {
	for name, text := range s.opts.Files {
		path := filepath.Join(s.dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("write %s for private PostgreSQL: %w", name, err)
		}
		if err := s.identity.Own(path); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) dataDir() string { return filepath.Join(s.dir, "data") }

// initialise runs initdb, unless the folder holds a cluster already; then its version must be that of the programs.
func (s *Server) initialise(ctx context.Context) error {
	passwordFile := filepath.Join(s.dir, "password")
	if major, err := os.ReadFile(filepath.Join(s.dataDir(), "PG_VERSION")); err == nil {
		if got := strings.TrimSpace(string(major)); got != strconv.Itoa(s.bin.version) {
			return fmt.Errorf("data in %s is of PostgreSQL %s, the programs in %s are of %d; choose another folder or install PostgreSQL %s",
				s.dir, got, s.bin.dir, s.bin.version, got)
		}
		password, err := os.ReadFile(passwordFile)
		if err != nil {
			return fmt.Errorf("read password of private PostgreSQL: %w", err)
		}
		s.password = string(password)
		return nil
	}
	s.password = strings.ToLower(rand.Text())
	if err := os.WriteFile(passwordFile, []byte(s.password), 0o600); err != nil {
		return fmt.Errorf("write password of private PostgreSQL: %w", err)
	}
	if err := s.identity.Own(passwordFile); err != nil {
		return err
	}
	s.opts.Progress(fmt.Sprintf("making a PostgreSQL %d database cluster in %s", s.bin.version, s.dir))
	cmd := s.command("initdb", "-D", s.dataDir(), "-U", User, "-A", "scram-sha-256", "--pwfile", passwordFile,
		"-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions")
	out, err := output(ctx, cmd)
	if err != nil {
		err = fmt.Errorf("run %s: %w\n%s", cmd.Path, err, strings.TrimSpace(out))
		return errors.Join(err, os.RemoveAll(s.dataDir()), os.Remove(passwordFile)) // half a cluster would be taken for a whole one
	}
	return nil
}

// launch starts the server and waits until it answers. An early end is tried again: another process may have taken the port, or
// processes of a killed server may still hold the data.
func (s *Server) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	var err error
	for try := range startTries {
		if try > 0 && !pause.For(ctx, 100*time.Millisecond<<try) {
			break
		}
		if s.opts.Port == 0 && !s.answered {
			s.port = childserver.FreePort()
		}
		if err = s.launchOnce(ctx); err == nil || !errors.Is(err, errEndedEarly) || !s.contended() {
			return err
		}
	}
	return err
}

// errEndedEarly: the server ended before it answered.
var errEndedEarly = errors.New("ended before it took connections")

// contended tells that the port or the data may be in somebody's hands.
func (s *Server) contended() bool {
	_, err := os.Stat(filepath.Join(s.dataDir(), "postmaster.pid"))
	return err == nil || !childserver.PortFree(s.port)
}

func (s *Server) launchOnce(ctx context.Context) error {
	log, err := os.OpenFile(s.LogFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("open log of private PostgreSQL: %w", err)
	}
	defer log.Close() // the server has its own
	cmd := s.command("postgres", s.arguments()...)
	cmd.Stderr = log
	cmd.Stdout = log
	w := childserver.Watch{Name: "PostgreSQL", With: childserver.Quit, Running: filepath.Join(s.dataDir(), "postmaster.pid")}
	if s.temporary {
		w.Remove = s.dir
	}
	p, err := childserver.Spawn(cmd, w)
	if err != nil {
		return err
	}
	for {
		probe, cancel := context.WithTimeout(ctx, 5*time.Second)
		conn, dialErr := pgx.Connect(probe, s.URL("postgres"))
		if dialErr == nil {
			dialErr = conn.Close(probe)
		}
		cancel()
		if dialErr == nil {
			s.proc, s.answered = p, true
			return nil
		}
		if p.Gone(20 * time.Millisecond) {
			return errors.Join(fmt.Errorf("private PostgreSQL on %s %w:\n%s", s.Addr(), errEndedEarly, childserver.LastLines(s.LogFile(), 30)), p.End(stopTimeout, childserver.Kill))
		}
		if ctx.Err() != nil {
			return errors.Join(fmt.Errorf("private PostgreSQL on %s does not answer: %w\n%s", s.Addr(), dialErr, childserver.LastLines(s.LogFile(), 30)), p.End(stopTimeout, childserver.Kill))
		}
	}
}

// arguments are those of the postgres program: what every private server needs, then the settings asked for.
func (s *Server) arguments() []string {
	settings := map[string]string{
		"listen_addresses":        "127.0.0.1",
		"port":                    strconv.Itoa(s.port),
		"unix_socket_directories": "", // the folder's path may be longer than a socket's may be
		"wal_level":               "logical",
		"max_wal_senders":         "30",
		"max_replication_slots":   "30",
		"max_connections":         "200",
		"shared_buffers":          "64MB",
		"timezone":                "UTC",
		"log_timezone":            "UTC",
	}
	if !s.opts.Durable {
		// Not synchronous_commit: without it a walsender sees a commit only when the WAL writer next wakes.
		settings["fsync"] = "off"
		settings["full_page_writes"] = "off"
	}
	for name, value := range s.opts.Settings {
		settings[name] = strings.ReplaceAll(value, "$DIR", s.dir)
	}
	names := make([]string, 0, len(settings))
	for name := range settings {
		names = append(names, name)
	}
	slices.Sort(names)
	args := []string{"-D", s.dataDir()}
	for _, name := range names {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}
