package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/twmb/franz-go/pkg/sr/srfake"
)

// registration is one line of a registry's file: a request that made or found a schema.
type registration struct {
	Path string          `json:"path"`
	Body json.RawMessage `json:"body"`
}

// StartKeptRegistry is StartRegistry with a file that keeps the registrations: the next registry on the file gives the same schemas the
// same ids, so that records kept by a Broker's folder can still be read. Deletions and settings are not kept.
func StartKeptRegistry(addr, file string) (*Registry, error) {
	j := &journal{registry: srfake.NewRegistry().Handler(), seen: make(map[string]bool)}
	if err := j.open(file); err != nil {
		return nil, fmt.Errorf("start the embedded registry: %w", err)
	}
	ln, err := listen(addr)
	if err != nil {
		return nil, fmt.Errorf("start the embedded registry: %w", errors.Join(err, j.file.Close()))
	}
	return serve(ln, j), nil
}

// journal is a registry whose registrations are written down, one at a time and in their order, which decides over ids.
type journal struct {
	registry http.Handler

	mu   sync.Mutex // guards file and seen, and the order of registrations
	file *os.File
	size int64           // of the whole lines in the file
	seen map[string]bool // paths and bodies in the file
}

// open repeats the registrations of the file, and goes on behind them. A last line without its end was cut off by a crash; its
// schema was given to nobody.
func (j *journal) open(name string) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	text, err := io.ReadAll(f)
	if err != nil {
		return errors.Join(err, f.Close())
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	for n, line := range bytes.Split(bytes.TrimSuffix(whole, []byte{'\n'}), []byte{'\n'}) {
		if err := j.repeat(line); err != nil {
			return errors.Join(fmt.Errorf("%s, line %d: %w", name, n+1, err), f.Close())
		}
	}
	if err := f.Truncate(int64(len(whole))); err != nil {
		return errors.Join(err, f.Close())
	}
	j.file, j.size = f, int64(len(whole))
	return nil
}

func (j *journal) repeat(line []byte) error {
	if len(line) == 0 {
		return nil
	}
	var r registration
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	answer := httptest.NewRecorder()
	j.registry.ServeHTTP(answer, httptest.NewRequest(http.MethodPost, r.Path, bytes.NewReader(r.Body)))
	if answer.Code != http.StatusOK {
		return fmt.Errorf("register again: status %d: %s", answer.Code, strings.TrimSpace(answer.Body.String()))
	}
	j.seen[string(line)] = true
	return nil
}

// close closes the file; every line was written before it was answered.
func (j *journal) close() {
	j.mu.Lock()
	defer j.mu.Unlock()
	_ = j.file.Close()
}

func (j *journal) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/versions") {
		j.registry.ServeHTTP(w, r)
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 16<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	j.mu.Lock()
	defer j.mu.Unlock()
	answer := httptest.NewRecorder()
	j.registry.ServeHTTP(answer, r)
	if answer.Code == http.StatusOK {
		if err := j.keep(r.URL.RequestURI(), body); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	_, _ = w.Write(answer.Body.Bytes()) // a client that is gone asks again
}

// keep writes a registration down before it is answered.
func (j *journal) keep(path string, body []byte) error {
	line, err := json.Marshal(registration{path, body})
	if err != nil {
		return fmt.Errorf("keep the registration: %w", err)
	}
	if j.seen[string(line)] {
		return nil
	}
	n, err := j.file.WriteAt(append(line, '\n'), j.size)
	if err != nil { // no half line stays before the next one
		return fmt.Errorf("keep the registration: %w", errors.Join(err, j.file.Truncate(j.size)))
	}
	j.size += int64(n)
	j.seen[string(line)] = true
	return nil
}
