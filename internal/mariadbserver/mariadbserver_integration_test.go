//go:build integration

package mariadbserver_test

import (
	"context"
	"os"
	"testing"

	"github.com/tandem-cdc/tandem/internal/mariadbserver"
	"github.com/tandem-cdc/tandem/internal/mariadbserver/mariadbtest"
)

// A killed server keeps what was committed, on the same port; a stopped one leaves nothing.
func TestIntegrationServer(t *testing.T) {
	ctx := context.Background()
	s, err := mariadbserver.Start(ctx, mariadbserver.Options{Settings: map[string]string{"max-allowed-packet": "2M"}})
	if err != nil {
		t.Fatal(err)
	}
	log, addr := s.LogFile(), s.Addr()
	if err := s.Exec(ctx, "mysql", "CREATE DATABASE d", "CREATE TABLE d.t (a int)", "INSERT INTO d.t VALUES (7)"); err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Exec(ctx, "d", "SELECT 1"); err == nil {
		t.Error("a killed server answers")
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	db, err := s.Open("d")
	if err != nil {
		t.Fatal(err)
	}
	var a, packet int
	if err := db.QueryRow("SELECT a, @@max_allowed_packet FROM t").Scan(&a, &packet); err != nil || a != 7 || packet != 2<<20 || s.Addr() != addr {
		t.Errorf("after a kill: a = %d, max_allowed_packet = %d at %s, %v, want 7 and 2 MiB at %s", a, packet, s.Addr(), err, addr)
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(log); !os.IsNotExist(err) {
		t.Errorf("the folder of a stopped server is there: %v", err)
	}
}

func TestIntegrationDatabase(t *testing.T) {
	d := mariadbtest.New(t)
	var name string
	if err := d.DB.QueryRow("SELECT database()").Scan(&name); err != nil || name != d.Name {
		t.Errorf("database() = %q, %v, want %q", name, err, d.Name)
	}
}
