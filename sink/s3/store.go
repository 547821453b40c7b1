package s3

import (
	"context"
	"io"
)

// store is what objects need of the server.
type store interface {
	// check tells whether the bucket is there and answers to these credentials.
	check(ctx context.Context) error
	// put writes a whole object.
	put(ctx context.Context, name string, body io.ReadSeeker, size int64, o putOptions) error
	// begin starts a multipart upload; it ends uploads of the same name that a former task left behind.
	begin(ctx context.Context, name string, o putOptions) (id string, err error)
	part(ctx context.Context, name, id string, number int32, body io.ReadSeeker, size int64) (etag string, err error)
	// complete makes the parts the object. An upload that is gone because it was completed before is no error.
	complete(ctx context.Context, name, id string, parts []sentPart, o putOptions) error
	abort(ctx context.Context, name, id string) error
	// list returns names that begin with prefix and come behind after, in order, at most limit of them; more tells that there may be others.
	list(ctx context.Context, prefix, after string, limit int) (names []storedName, more bool, err error)
	tag(ctx context.Context, name string, tags []objectTag) error
}

// sentPart is a part that the server has.
type sentPart struct {
	number int32
	etag   string
}

// storedName is an object that is there.
type storedName struct{ name, etag string }

// objectTag is a tag of an object.
type objectTag struct{ key, value string }

// putOptions say which object may be written over, and who writes.
type putOptions struct {
	condition condition
	etag      string // of ifSame
	mark      string // tells this writing of the object from any other
	kind      string // content type
}

// condition is which object may be there already.
type condition uint8

const (
	always condition = iota
	ifNone           // only if there is none of the name
	ifSame           // only if it is the one of the etag
)
