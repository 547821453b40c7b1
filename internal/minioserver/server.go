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
	"runtime"
	"strconv"
	"time"
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
	proc    *process // nil when not running
}

// process is one run of the program.
type process struct {
	cmd  *exec.Cmd
	done chan struct{} // maker: launch; closer: its goroutine, when the process has ended
	err  error         // why it ended; readable after done
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
	s := &Server{program: program, dir: dir}
	if s.port, err = freePort(); err == nil {
		err = s.Restart(ctx)
	}
	if err != nil {
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
func (s *Server) Kill() error { return s.end((*os.Process).Kill) }

// Stop ends the server and removes its data.
func (s *Server) Stop() error {
	return errors.Join(s.end(func(p *os.Process) error { return p.Signal(os.Interrupt) }), os.RemoveAll(s.dir))
}

// Restart starts the server again, on the same port and data. It must not be running.
func (s *Server) Restart(ctx context.Context) error {
	if err := s.launch(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.answers(ctx, client) {
			return nil
		}
		select {
		case <-s.proc.done:
			return s.failure(fmt.Errorf("it ended: %w", s.proc.err))
		case <-ctx.Done():
			return s.failure(errors.Join(context.Cause(ctx), s.Kill()))
		case <-tick.C:
		}
	}
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
	out, err := os.OpenFile(filepath.Join(s.dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	defer out.Close()
	p := &process{done: make(chan struct{})}
	p.cmd = exec.Command(s.program, "server", "--quiet", "--address", net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port)), "--console-address", "127.0.0.1:0", filepath.Join(s.dir, "data"))
	p.cmd.Env = append(os.Environ(), "MINIO_ROOT_USER="+AccessKey, "MINIO_ROOT_PASSWORD="+SecretKey, "MINIO_REGION="+Region, "MINIO_BROWSER=off", "MINIO_UPDATE=off", "HOME="+s.dir)
	p.cmd.Stdout, p.cmd.Stderr = out, out
	isolate(p.cmd)
	started := make(chan error) // maker: launch; sender: the goroutine; never closed; bound: none
	go func() {
		runtime.LockOSThread() // on Linux the kernel ends the process with the thread that started it: the thread must last as long
		defer runtime.UnlockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			p.err = p.cmd.Wait()
		}
		close(p.done)
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", s.program, err)
	}
	s.proc = p
	return nil
}

// end ends the process as told, and at once when that takes long.
func (s *Server) end(how func(*os.Process) error) error {
	p := s.proc
	if p == nil {
		return nil
	}
	s.proc = nil
	if err := how(p.cmd.Process); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("end minio: %w", err)
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.done:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.done
	}
	return nil
}

// failure adds the log.
func (s *Server) failure(err error) error {
	text, readErr := os.ReadFile(filepath.Join(s.dir, "server.log"))
	if readErr != nil {
		text = []byte(readErr.Error())
	}
	const most = 4000 // of the end of the log
	return fmt.Errorf("start minio: %w; the end of its log:\n%s", err, text[max(0, len(text)-most):])
}

// freePort is a port nobody listens on now.
func freePort() (int, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port, nil
}
