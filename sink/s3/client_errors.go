package s3

import (
	"context"
	"errors"
	"net/http"
	"slices"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
)

// Codes of S3 that are branched on.
const (
	codeExists   = "PreconditionFailed"         // of a condition
	codeConflict = "ConditionalRequestConflict" // another write of the object is going on
	codeNoUpload = "NoSuchUpload"
)

const credentialsRemedy = "set aws.access.key.id and aws.secret.access.key, or see s3.credentials.provider.class for where else they come from"

// remedies say what to do about what the server refuses.
var remedies = map[string]string{
	"NoSuchBucket":                  "create the bucket, or correct s3.bucket.name; with store.url the server may want s3.path.style.access.enabled the other way",
	"InvalidBucketName":             "correct s3.bucket.name",
	"InvalidAccessKeyId":            "correct aws.access.key.id, or the credentials that s3.credentials.provider.class finds",
	"SignatureDoesNotMatch":         "correct aws.secret.access.key, or the credentials that s3.credentials.provider.class finds",
	"AccessDenied":                  "allow s3:PutObject, s3:AbortMultipartUpload, s3:ListBucket and s3:ListBucketMultipartUploads on the bucket (and s3:PutObjectTagging with s3.object.tagging) to these credentials",
	"ExpiredToken":                  "renew the credentials",
	"InvalidToken":                  "renew the credentials",
	"PermanentRedirect":             "set s3.region to the region of the bucket",
	"AuthorizationHeaderMalformed":  "set s3.region to the region of the bucket",
	"IllegalLocationConstraint":     "set s3.region to the region of the bucket",
	"MovedPermanently":              "set s3.region to the region of the bucket",
	"RequestTimeTooSkewed":          "set the clock of this machine",
	"KeyTooLongError":               "shorten topics.dir, path.format or the fields of partition.field.name: names of objects have at most 1024 bytes",
	"NotImplemented":                "the server does not know this request; where it is about a condition, set enable.conditional.writes=false",
	codeNoUpload:                    "the server has lost the parts that were sent; restart the task: it sends them again, from the last position it stored",
	"NoSuchTagSet":                  "set s3.object.tagging=false",
	"AccessControlListNotSupported": "unset s3.acl.canned: the bucket does not take access control lists",
}

// passing are codes of what may work later, beside all statuses from 500.
var passing = []string{"SlowDown", "Throttling", "ThrottlingException", "RequestTimeout", "RequestTimeoutException", "TooManyRequests", "InternalError", "ServiceUnavailable",
	"OperationAborted", codeConflict, "XMinioServerNotInitialized"}

// fail tells what an error of the SDK means; nil for nil.
func (c *client) fail(op, object string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	e := &StoreError{Op: op, Bucket: c.config.Bucket, Object: object, Err: err}
	var api smithy.APIError
	if errors.As(err, &api) {
		e.Code = api.ErrorCode()
	}
	status := 0
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.Response != nil {
		status = response.HTTPStatusCode()
	}
	switch {
	case e.Code == "NotModified" || status == http.StatusPreconditionFailed:
		e.Code = codeExists
	case e.Code == "" && status == 0: // no answer
		e.Passes = true
		e.Remedy = "is the server up, and reachable at store.url or in s3.region, through s3.proxy.url if it is set?"
		return e
	}
	e.Passes = status >= http.StatusInternalServerError && status != http.StatusNotImplemented || status == http.StatusTooManyRequests || slices.Contains(passing, e.Code)
	e.Remedy = remedies[e.Code]
	return e
}
