package main

import (
	"context"
	"errors"
	"net/http/httputil"
	"net/url"

	"github.com/jackc/pgx/v5"

	"github.com/tandem-cdc/tandem/internal/jvmserver"
	"github.com/tandem-cdc/tandem/internal/minioserver"
	"github.com/tandem-cdc/tandem/internal/pgserver"
)

// kinds are all servers there are, on 127.0.0.1 each.
var kinds = []server{
	{"kafka", startKafka},
	{"registry", startRegistry},
	{"postgres", startPostgres},
	{"elasticsearch", startElasticsearch},
	{"s3", startS3},
}

func startKafka(ctx context.Context, port int) (func() error, error) {
	k, err := jvmserver.StartKafka(ctx, jvmserver.KafkaOptions{Port: port})
	if err != nil {
		return nil, err
	}
	return k.Close, nil
}

// startRegistry starts Apicurio, and gives it the paths that Confluent's has: /subjects, not /apis/ccompat/v7/subjects.
func startRegistry(ctx context.Context, port int) (func() error, error) {
	r, err := jvmserver.StartRegistry(ctx, jvmserver.RegistryOptions{})
	if err != nil {
		return nil, err
	}
	return before(port, r.URL(), r.Close)
}

// startPostgres starts a server on which postgres has the password postgres.
func startPostgres(ctx context.Context, port int) (func() error, error) {
	s, err := pgserver.Start(ctx, pgserver.Options{Port: port})
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, s.URL("postgres"))
	if err == nil {
		_, err = conn.Exec(ctx, "ALTER ROLE postgres PASSWORD 'postgres'")
		err = errors.Join(err, conn.Close(ctx))
	}
	if err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return s.Stop, nil
}

func startElasticsearch(ctx context.Context, port int) (func() error, error) {
	s, err := jvmserver.StartElasticsearch(ctx, jvmserver.SearchOptions{})
	if err != nil {
		return nil, err
	}
	return before(port, s.URL(), s.Close)
}

// bucket is the one that there is.
const bucket = "tandem-scene"

// startS3 starts MinIO, with a bucket.
func startS3(ctx context.Context, port int) (func() error, error) {
	s, err := minioserver.Start(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.CreateBucket(bucket); err != nil {
		return nil, errors.Join(err, s.Stop())
	}
	return before(port, s.URL(), s.Stop)
}

// before serves a port for a server that is elsewhere.
func before(port int, server string, end func() error) (stop func() error, err error) {
	target, err := url.Parse(server)
	if err != nil {
		return nil, errors.Join(err, end())
	}
	stopProxy, err := serve(port, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Host = r.In.Host // requests to S3 are signed with it
	}})
	if err != nil {
		return nil, errors.Join(err, end())
	}
	return func() error { return errors.Join(stopProxy(), end()) }, nil
}
