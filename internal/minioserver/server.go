package minioserver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/tandem-cdc/tandem/internal/childserver"
)

// The keys of every private server.
const (
	AccessKey = "tandem-test"
	SecretKey = "tandem-secret"
	Region    = "us-west-2"
)

const (
	startTimeout = 30 * time.Second
	stopTimeout  = 10 * time.Second
)

// Server is a private MinIO. Its methods must not be called at the same time.
type Server struct {
	program string
	dir     string // holds data and server.log
	port    int
	proc    *childserver.Process // nil when not running
}

// Start finds or builds the program and starts a server. It returns when the server answers.
func Start(ctx context.Context) (*Server, error) {
	program, err := Find(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "tandem-minio-")
	if err != nil {
		return nil, err
	}
	s := &Server{program: program, dir: dir, port: childserver.FreePort()}
	if err := s.Restart(ctx); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return s, nil
}

// URL is the server's.
func (s *Server) URL() string { return "http://" + net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)) }

// CreateBucket makes a bucket. The server keeps each as a folder; it must not run into the next request before it sees it.
func (s *Server) CreateBucket(name string) error {
	return os.Mkdir(filepath.Join(s.dir, "data", name), 0o755)
}

// Kill ends the server as a crash does. Its data stay, for Restart.
func (s *Server) Kill() error { return s.end(childserver.Kill) }

// Stop ends the server and removes its data.
func (s *Server) Stop() error {
	return errors.Join(s.end(childserver.Interrupt), os.RemoveAll(s.dir))
}

// Restart starts the server again, on the same port and data. It must not be running.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.launch(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for !s.answers(ctx, client) {
		if s.proc.Gone(25*time.Millisecond) || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("private MinIO on %s does not answer; the end of its log:\n%s", s.URL(), childserver.LastLines(s.logFile(), 30)), s.Kill())
		}
	}
	return nil
}

// answers asks the server whether it is ready.
func (s *Server) answers(ctx context.Context, client *http.Client) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.URL()+"/minio/health/ready", nil)
	if err != nil {
		return false
	}
	resp, err := client.Do(req)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (s *Server) launch() error {
	if err := os.MkdirAll(filepath.Join(s.dir, "data"), 0o755); err != nil {
		return err
	}
	out, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	cmd := exec.Command(s.program, "server", "--quiet", "--address", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), "--console-address", "127.0.0.1:0", filepath.Join(s.dir, "data"))
	cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+AccessKey, "MINIO_ROOT_PASSWORD="+SecretKey, "MINIO_REGION="+Region, "MINIO_BROWSER=off", "MINIO_UPDATE=off", "HOME="+s.dir)
	cmd.Stdout, cmd.Stderr = out, out
	childserver.Identity{}.Apply(cmd)
	s.proc, err = childserver.Spawn(cmd, childserver.Watch{Name: "MinIO", With: childserver.Kill, Remove: s.dir})
	return err
}

func (s *Server) logFile() string { return filepath.Join(s.dir, "server.log") }

// end ends the server as told, and at once when that takes long.
func (s *Server) end(how childserver.Signal) error {
	p := s.proc
	if p == nil {
		return nil
	}
	s.proc = nil
	return p.End(stopTimeout, how)
}
